// What the GPU's libraries are asked for, and the memory that a dry run takes in their place.
#include "kernels/attention.h"
#include "kernels/cuda/attention_slices.h"
#include "kernels/cuda/gemm.cuh"
#include "kernels/dry/dry_queue.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using cuda::attention_slices;

constexpr std::int64_t kMiB = 1 << 20;

AttentionProblem problem(std::int64_t batch, std::int64_t heads, std::int64_t t, std::int64_t d) {
  AttentionProblem p;
  p.b = batch, p.h = p.h_kv = heads, p.tq = p.tk = t, p.d = d;
  p.dtype = DType::bf16;
  const Heads packed{nullptr, t * heads * d, heads * d, d};
  p.q = p.k = p.v = p.out = p.dout = p.dq = p.dk = p.dv = packed;
  return p;
}

TEST_CASE("cudnn: which problems it is asked for", "[simt]") {
  const AttentionProblem p = problem(2, 4, 64, 64);
  for (const bool backward : {false, true}) {
    CHECK(attention_slices(p, backward));
    AttentionProblem other = p;
    other.dtype = DType::f32;
    CHECK(!attention_slices(other, backward));
    CHECK(!attention_slices(problem(2, 4, 64, 60), backward));
    CHECK(!attention_slices(problem(2, 4, 64, 136), backward));
    CHECK(!attention_slices(problem(0, 4, 64, 64), backward));
    other = p, other.tq = 65;  // causal, more queries than keys
    CHECK(!attention_slices(other, backward));
    other.causal = false;
    CHECK(attention_slices(other, backward));
    other = p, other.v.t_step += 4;  // rows that do not start at 16 bytes
    CHECK(!attention_slices(other, backward));
    other = p, other.k.data = reinterpret_cast<void*>(8);
    CHECK(!attention_slices(other, backward));
    CHECK(static_cast<bool>(attention_slices(problem(2, 4, 1, 64), backward)) == !backward);
  }
}

TEST_CASE("cudnn: the backward goes in even slices of about a GiB", "[simt]") {
  const auto slices = attention_slices(problem(64, 12, 1024, 64), true);
  REQUIRE(slices);
  CHECK(slices->batch == 32);
  CHECK(slices->workspace <= cuda::kSliceWorkspace + kMiB);
  CHECK(slices->workspace >= 32 * 12 * 1024 * 1024 * 2);  // dS
  CHECK(attention_slices(problem(64, 12, 1024, 64), false)->batch == 64);
  CHECK(attention_slices(problem(3, 16, 8192, 64), true)->batch == 1);  // 2.1 GiB each
  CHECK(!attention_slices(problem(1, 32, 32768, 128), true));           // 64 GiB
}

TEST_CASE("cudnn: sequences of different lengths go in powers of two", "[simt]") {
  std::vector<std::int64_t> offsets{0, 100, 100, 700, 701, 1024};
  AttentionProblem p = problem(1, 4, 1024, 64);
  p.offsets = offsets.data(), p.sequences = 5;
  for (const bool backward : {false, true}) {
    const auto slices = attention_slices(p, backward);
    REQUIRE(slices);
    CHECK(slices->length == 1024);  // of 600
    CHECK(slices->batch == 4);
    CHECK(slices->calls == 1);
    CHECK(!attention_slices(
        [&] {
          AttentionProblem other = problem(1, 4, 1024, 72);
          other.offsets = offsets.data(), other.sequences = 5;
          return other;
        }(),
        backward));
  }
  offsets.clear();
  for (std::int64_t i = 0; i <= 300; ++i) offsets.push_back(i * 500);
  p = problem(1, 12, 150000, 64);
  p.offsets = offsets.data(), p.sequences = 300;
  const auto slices = attention_slices(p, true);
  REQUIRE(slices);
  CHECK(slices->length == 512);
  CHECK(slices->batch == 128);
  CHECK(slices->calls == 3);  // 300 sequences and 84 empty ones
  CHECK(slices->workspace >= 128 * 12 * 512 * 512 * 2 + slices->calls * slices->tables);
  CHECK(slices->workspace <= cuda::kSliceWorkspace + 32 * kMiB);
  p = problem(1, 12, 3000000, 64);  // offsets in 32 bits do not reach
  p.offsets = offsets.data(), p.sequences = 300, offsets.back() = 3000000;
  CHECK(!attention_slices(p, true));
}

TEST_CASE("a dry run takes the libraries' workspace", "[simt]") {
  const auto device = dry_cuda_device({.kind = "cuda", .model = "a GPU"});
  Stream& stream = device->stream();
  auto workspace = [&] {
    return device->allocator().stats().by_purpose[static_cast<std::size_t>(Purpose::workspace)];
  };
  const auto view = [](const Shape& shape, DType dtype = DType::bf16) {
    return TensorView(reinterpret_cast<void*>(std::uintptr_t{1} << 40), dtype, shape);
  };
  Gemm g{.a = view({64, 32}), .b = view({32, 48}), .c = view({64, 48})};
  stream.submit(g);
  CHECK(workspace().now == cuda::kProductWorkspace);
  g.bias = view({48}, DType::f32);
  stream.submit(g);
  stream.submit(g);
  CHECK(workspace().now == cuda::kProductWorkspace);            // one block, held
  CHECK(workspace().peak == cuda::kProductWorkspace + 48 * 2);  // the bias in bf16

  const TensorView x = view({2, 128, 4, 64});
  stream.submit(AttentionBackward{.q = x,
                                  .k = x,
                                  .v = x,
                                  .out = x,
                                  .lse = view({2, 4, 128}, DType::f32),
                                  .dout = x,
                                  .dq = x,
                                  .dk = x,
                                  .dv = x});
  CHECK(workspace().now == cuda::kProductWorkspace);
  CHECK(workspace().peak ==
        cuda::kProductWorkspace + attention_slices(problem(2, 4, 128, 64), true)->workspace);
}

}  // namespace
}  // namespace gigatrain::kernels
