// Which algorithm cuBLASLt uses for which product: what makes two products the same problem, and
// how a choice is written down, in checkpoints and in a file of measured choices. No CUDA here.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <charconv>
#include <compare>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "kernels/cpu/gemm_problem.h"

namespace gigatrain::kernels::cuda {

// A pointer's alignment in bytes, as far as algorithms care.
inline int alignment(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p) | 16;
  return static_cast<int>(address & (~address + 1));
}

// The row-major C (m, n) is to the library a column-major C^T (n, m) = op(B)^T op(A)^T.
struct ProductKey {
  std::int64_t batch = 1, m = 0, n = 0, k = 0;
  DType in = DType::f32, out = DType::f32;
  bool trans_a = false, trans_b = false;  // is A stored (K, M), B (N, K)?
  std::int64_t a_row = 0, b_row = 0, c_row = 0, pre_row = 0;
  std::int64_t a_batch = 0, b_batch = 0, c_batch = 0, pre_batch = 0;
  int a_align = 16, b_align = 16, c_align = 16, bias_align = 16, pre_align = 16;
  int epilogue = 1;  // cublasLtEpilogue_t
  bool accumulate = false, tf32 = false;

  auto operator<=>(const ProductKey&) const = default;

  std::string text() const {
    return fmt::format(
        "gemm {}x{}x{}x{} {}>{}{} {}{} rows {} {} {} {} batch {} {} {} {} align {} {} "
        "{} {} {} epilogue {}{}",
        batch, m, n, k, name(in), name(out), tf32 ? " tf32" : "", trans_a ? 't' : 'n',
        trans_b ? 't' : 'n', a_row, b_row, c_row, pre_row, a_batch, b_batch, c_batch, pre_batch,
        a_align, b_align, c_align, bias_align, pre_align, epilogue,
        accumulate ? " accumulate" : "");
  }
};

// Without its epilogue. A dim of size one may claim any step; the key gives it the one of a packed
// matrix, so that equal problems have equal keys.
inline ProductKey plain_key(const Gemm& g, const GemmProblem& p) {
  const auto row = [](std::int64_t rows, std::int64_t columns, std::int64_t step) {
    return rows <= 1 ? columns : step;
  };
  const auto step = [&](std::int64_t elements) { return p.batch > 1 ? elements : 0; };
  ProductKey key{.batch = p.batch, .m = p.m, .n = p.n, .k = p.k, .in = p.in, .out = p.out};
  key.trans_a = p.a.k_step != 1;
  key.trans_b = p.b.i_step != 1;
  key.a_row = key.trans_a ? row(p.k, p.m, p.a.k_step) : row(p.m, p.k, p.a.i_step);
  key.b_row = key.trans_b ? row(p.n, p.k, p.b.i_step) : row(p.k, p.n, p.b.k_step);
  key.c_row = row(p.m, p.n, p.c_row);
  key.a_batch = step(p.a_batch), key.b_batch = step(p.b_batch), key.c_batch = step(p.c_batch);
  key.a_align = alignment(p.a.data), key.b_align = alignment(p.b.data);
  key.c_align = alignment(g.c.data);
  key.accumulate = g.accumulate;
  return key;
}

// The same product with its epilogue, if the library could fuse it. Rules of cublasLt.h: the rows
// of the pre-activation and its batches start at multiples of 8 elements.
inline std::optional<ProductKey> fused_key(const Gemm& g, const GemmProblem& p, const void* bias) {
  if (p.in == DType::f64 || g.accumulate) return std::nullopt;
  ProductKey key = plain_key(g, p);
  key.epilogue = (g.bias ? 4 : 0) | (g.gelu ? 32 : 0) | (g.pre ? 128 : 0);
  if (g.bias) key.bias_align = alignment(bias);
  if (g.pre) {
    key.pre_row = p.m <= 1 ? (p.n + 7) / 8 * 8 : p.pre_row;
    key.pre_batch = p.batch > 1 ? p.pre_batch : 0;
    key.pre_align = alignment(g.pre.data);
    if (key.pre_row % 8 != 0 || key.pre_batch % 8 != 0) return std::nullopt;
  }
  return key;
}

using AlgorithmBits = std::array<std::uint64_t, 8>;  // cublasLtMatmulAlgo_t

// "130100 <128 hex digits>": the bits mean something to the library of that version only.
inline std::string write_algorithm(std::uint64_t version, const AlgorithmBits& bits) {
  std::string text = fmt::format("{} ", version);
  for (const std::uint64_t word : bits) text += fmt::format("{:016x}", word);
  return text;
}
inline std::optional<AlgorithmBits> read_algorithm(std::uint64_t version, const std::string& text) {
  const std::string prefix = fmt::format("{} ", version);
  if (!text.starts_with(prefix) || text.size() != prefix.size() + 128) return std::nullopt;
  AlgorithmBits bits{};
  const char* digit = text.data() + prefix.size();
  for (std::uint64_t& word : bits) {
    const auto [end, error] = std::from_chars(digit, digit + 16, word, 16);
    if (error != std::errc{} || end != digit + 16) return std::nullopt;
    digit += 16;
  }
  return bits;
}

using Choices = std::map<std::string, std::string>;  // key -> algorithm, both as text

// ~/.cache/gigatrain/gemm_<gpu>_<version>.txt, empty when there is no home: choices measured once
// on this machine, one "key<tab>algorithm" a line. Losing it costs a second at the next start.
inline std::filesystem::path choices_path(const std::string& gpu, std::uint64_t version) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::filesystem::path folder;
  if (cache && *cache)
    folder = cache;
  else if (home && *home)
    folder = std::filesystem::path(home) / ".cache";
  else
    return {};
  std::string file = fmt::format("gemm_{}_{}.txt", gpu, version);
  for (char& c : file)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-') c = '_';
  return folder / "gigatrain" / file;
}

// Lines that are no choices are left out, so a damaged file is as good as a shorter one.
inline Choices read_choices(const std::filesystem::path& path, std::uint64_t version) {
  Choices choices;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const auto tab = line.find('\t');
    if (tab == std::string::npos) continue;
    std::string algorithm = line.substr(tab + 1);
    if (read_algorithm(version, algorithm)) choices[line.substr(0, tab)] = std::move(algorithm);
  }
  return choices;
}

// Adds to the file what other processes have not written, all at once. Without the rights or the
// room for it the file stays as it was: it is a cache.
inline void write_choices(const std::filesystem::path& path, std::uint64_t version,
                          const Choices& choices) {
  if (path.empty()) return;
  Choices all = read_choices(path, version);
  all.insert(choices.begin(), choices.end());
  std::error_code failed;
  std::filesystem::create_directories(path.parent_path(), failed);
  const std::filesystem::path part = fmt::format("{}.{}", path.string(), getpid());
  std::ofstream out(part);
  for (const auto& [key, algorithm] : all) out << key << '\t' << algorithm << '\n';
  out.close();
  if (out) std::filesystem::rename(part, path, failed);
  if (!out || failed) std::filesystem::remove(part, failed);
}

}  // namespace gigatrain::kernels::cuda
