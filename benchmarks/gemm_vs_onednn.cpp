// Our matrix product against oneDNN's on the products of a quick-start GPT and of GPT-2 124M, and
// against the processor's own limit, measured by multiply-adds that never leave the registers.
// The three alternate, so that a change of the clock or a neighbour's load meets them alike.
//
//   OMP_WAIT_POLICY=passive build/cpu/bin/gemm_vs_onednn [seconds per shape, default 0.5]
//   [f32|bf16]
//
// (passive: oneDNN's idle OpenMP threads would otherwise spin on the cores that we measure.)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "base/median.h"
#include "gigatrain/runtime/device.h"
#include "kernels/gemm.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using gigatrain::bf16;
using gigatrain::Device;
using gigatrain::DType;
using gigatrain::TensorView;
using gigatrain::kernels::Gemm;

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

// Twenty-four independent chains of multiply-adds a thread; returns the multiply-adds done.
#if defined(__x86_64__)
#if defined(__clang__)
#define GT_UNROLL _Pragma("unroll")
#else
#define GT_UNROLL _Pragma("GCC unroll 24")  // so that `acc` is registers, not memory
#endif
__attribute__((target("avx512f"))) double burn_f32(int rounds, float* sink) {
  __m512 acc[24], x = _mm512_set1_ps(*sink), y = _mm512_set1_ps(0.5f);
  GT_UNROLL for (int i = 0; i < 24; ++i) acc[i] =
      _mm512_set1_ps(*sink + float(i));  // all different: else one would do for all
  for (int r = 0; r < rounds; ++r)
    GT_UNROLL for (int i = 0; i < 24; ++i) acc[i] = _mm512_fmadd_ps(acc[i], y, x);
  GT_UNROLL for (int i = 0; i < 24; ++i) x = _mm512_add_ps(x, acc[i]);
  _mm512_storeu_ps(sink, x);
  return 24.0 * 16 * rounds;
}
__attribute__((target("avx512f,avx512bf16"))) double burn_bf16(int rounds, float* sink) {
  __m512 acc[24];
  const auto x = (__m512bh)_mm512_set1_ps(*sink);
  GT_UNROLL for (int i = 0; i < 24; ++i) acc[i] = _mm512_set1_ps(*sink + float(i));
  for (int r = 0; r < rounds; ++r)
    GT_UNROLL for (int i = 0; i < 24; ++i) acc[i] = _mm512_dpbf16_ps(acc[i], x, x);
  __m512 sum = acc[0];
  GT_UNROLL for (int i = 0; i < 24; ++i) sum = _mm512_add_ps(sum, acc[i]);
  _mm512_storeu_ps(sink, sum);
  return 24.0 * 32 * rounds;
}
#endif

double peak_gflops(Device& device, DType dtype) {
#if defined(__x86_64__)
  const auto& cpu = gigatrain::CpuFeatures::get();
  if (cpu.best != gigatrain::Isa::avx512 ||
      (dtype == DType::bf16 && cpu.bf16 == gigatrain::Bf16Products::widened))
    return 0.0;
  const int threads = device.pool().threads();
  std::vector<float> sinks(static_cast<std::size_t>(threads) * 16, 0.0f);
  double work = 0.0;
  const double start = now();
  device.pool().parallel_for(threads, [&](std::int64_t i, int) {
    constexpr int kRounds = 200000;
    float* sink = &sinks[static_cast<std::size_t>(i) * 16];
    const double done = dtype == DType::f32 ? burn_f32(kRounds, sink) : burn_bf16(kRounds, sink);
    if (i == 0) work = done * threads;
  });
  return 2e-9 * work / (now() - start);
#else
  (void)device, (void)dtype;
  return 0.0;
#endif
}

struct Case {
  const char* what;
  std::int64_t m, k, n;
  bool trans_a, trans_b, accumulate;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name, std::int64_t m, std::int64_t k, std::int64_t n) {
    all.push_back({name, m, k, n, false, false, false});   // Y = X W
    all.push_back({"  dX", m, n, k, false, true, false});  // dX = dY W^T
    all.push_back({"  dW", k, m, n, true, false, true});   // dW += X^T dY
  };
  add("quick qkv", 2048, 128, 384);
  add("quick proj", 2048, 128, 128);
  add("quick mlp", 4096, 256, 1024);
  add("quick mlp2", 4096, 1024, 256);
  add("124M qkv", 1024, 768, 2304);
  add("124M proj", 1024, 768, 768);
  add("124M mlp", 1024, 768, 3072);
  add("124M mlp2", 1024, 3072, 768);
  add("124M head", 1024, 768, 50257);
  all.push_back({"generate 1", 1, 768, 3072, false, false, false});
  all.push_back({"generate 8", 8, 768, 3072, false, false, false});
  all.push_back({"gen. head", 1, 768, 50257, false, true, false});
  return all;
}

// Both sides of one comparison: same memory, same request.
class Contest {
 public:
  Contest(Device& device, const Case& c, DType dtype)
      : device_(device),
        c_(c),
        a_(fill(c.m * c.k, dtype)),
        b_(fill(c.k * c.n, dtype)),
        out_(static_cast<std::size_t>(c.m * c.n)),
        engine_(dnnl::engine::kind::cpu, 0),
        stream_(engine_) {
    gemm_.a = {a_.data(), dtype,
               c.trans_a ? gigatrain::Shape{c.k, c.m} : gigatrain::Shape{c.m, c.k}};
    gemm_.b = {b_.data(), dtype,
               c.trans_b ? gigatrain::Shape{c.n, c.k} : gigatrain::Shape{c.k, c.n}};
    const DType out = c.accumulate ? DType::f32 : dtype;
    gemm_.c = {out_.data(), out, {c.m, c.n}};
    gemm_.trans_a = c.trans_a, gemm_.trans_b = c.trans_b, gemm_.accumulate = c.accumulate;
    prepare_onednn(dtype, out);
  }

  void ours() { device_.stream().submit(gemm_); }
  void theirs() {
    matmul_.execute(stream_, args_);
    stream_.wait();
  }

 private:
  static std::vector<std::uint32_t> fill(std::int64_t n, DType dtype) {
    std::vector<std::uint32_t> words(static_cast<std::size_t>(n));
    std::uint32_t seed = 1;
    for (std::size_t i = 0; i < words.size(); ++i) {
      seed = seed * 1664525u + 1013904223u;
      const float x = static_cast<float>(seed >> 8) * 0x1p-24f - 0.5f;
      if (dtype == DType::f32) reinterpret_cast<float*>(words.data())[i] = x;
      if (dtype == DType::bf16) reinterpret_cast<bf16*>(words.data())[i] = bf16(x);
    }
    return words;
  }

  void prepare_onednn(DType dtype, DType out) {
    using dnnl::memory;
    const auto type = [](DType d) {
      return d == DType::f32 ? memory::data_type::f32 : memory::data_type::bf16;
    };
    const memory::desc a({c_.m, c_.k}, type(dtype),
                         c_.trans_a ? memory::format_tag::ba : memory::format_tag::ab);
    const memory::desc b({c_.k, c_.n}, type(dtype),
                         c_.trans_b ? memory::format_tag::ba : memory::format_tag::ab);
    const memory::desc c({c_.m, c_.n}, type(out), memory::format_tag::ab);
    dnnl::primitive_attr attr;
    if (c_.accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0f);
      attr.set_post_ops(sum);
    }
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul::primitive_desc desc(engine_, a, b, c, attr);
#else
    const dnnl::matmul::primitive_desc desc(dnnl::matmul::desc(a, b, c), attr, engine_);
#endif
    matmul_ = dnnl::matmul(desc);
    args_ = {{DNNL_ARG_SRC, memory(a, engine_, a_.data())},
             {DNNL_ARG_WEIGHTS, memory(b, engine_, b_.data())},
             {DNNL_ARG_DST, memory(c, engine_, out_.data())}};
  }

  Device& device_;
  const Case& c_;
  std::vector<std::uint32_t> a_, b_;
  std::vector<float> out_;
  Gemm gemm_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::matmul matmul_;
  std::unordered_map<int, dnnl::memory> args_;
};

template <class F>
double seconds(const F& f) {
  const double start = now();
  f();
  return now() - start;
}

void measure(Device& device, const Case& c, DType dtype, double budget) {
  Contest contest(device, c, dtype);
  contest.ours(), contest.theirs();
  std::vector<double> ours, theirs, peak;
  const double start = now();
  while (ours.size() < 3 || now() - start < budget) {
    peak.push_back(peak_gflops(device, dtype));
    for (int i = 0; i < 3; ++i) ours.push_back(seconds([&] { contest.ours(); }));
    for (int i = 0; i < 3; ++i) theirs.push_back(seconds([&] { contest.theirs(); }));
  }
  const double flops = 2e-9 * static_cast<double>(c.m) * static_cast<double>(c.k * c.n);
  const double us = flops / gigatrain::median(ours), them = flops / gigatrain::median(theirs),
               limit = gigatrain::median(peak);
  std::printf("%-11s %-5s %6ld %6ld %6ld  %8.1f %8.1f  %5.2f  %5.1f %%\n", c.what, name(dtype), c.m,
              c.k, c.n, us, them, us / them, limit > 0 ? 100.0 * us / limit : 0.0);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const double budget = argc > 1 ? std::atof(argv[1]) : 0.5;
  Device device;
  std::printf("%s, %d threads; GFLOP/s, medians\n", gigatrain::CpuFeatures::get().model.c_str(),
              device.pool().threads());
  std::printf("%-11s %-5s %6s %6s %6s  %8s %8s  %5s  %s\n", "product", "", "M", "K", "N", "ours",
              "oneDNN", "ratio", "of FMA peak");
  for (const DType dtype : {DType::f32, DType::bf16}) {
    if (argc > 2 && dtype != gigatrain::parse_dtype(argv[2])) continue;
    std::printf("register-only peak, %s: %.1f GFLOP/s\n", name(dtype), peak_gflops(device, dtype));
    for (const Case& c : cases()) measure(device, c, dtype, budget);
  }
}
