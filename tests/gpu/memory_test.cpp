// A GPU's memory: a training step takes exactly what the dry plan says, and what does not fit is
// refused by name.

#include <catch2/catch.hpp>

#include "gigatrain/optim/adamw.h"
#include "gpu/gpu_device.h"
#include "kernels/dry/dry_queue.h"
#include "support/tiny_run.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

const BatchShape kBatch{.leaves = 4, .micro_batches = 2, .micro_batch = 4, .seq_len = 128};
constexpr std::int64_t kVocab = 1000;

// The high-water mark after two steps of a model with heads of 64, which cuDNN takes.
MemoryStats peak_of(Device& device, const std::string& shard, DType compute) {
  const auto model = nn::gpt({.vocab_size = kVocab,
                              .n_positions = kBatch.seq_len,
                              .n_layer = 2,
                              .n_head = 4,
                              .n_embd = 256,
                              .dropout = 0.1f});
  nn::materialize(*model, device, {.compute = compute});
  optim::AdamW adamw(nn::named_parameters(*model));
  const TokenSource data({shard},
                         {.seq_len = kBatch.seq_len, .global_batch = kBatch.global_batch()});
  Trainer trainer(*model, adamw, data, {.batch = kBatch, .steps = 2});
  trainer.step();
  trainer.step();
  device.synchronize();
  return device.allocator().stats();
}

// The dry device takes cuDNN to be there: in bf16, our own kernel needs less workspace than it
// plans.
void check_plan(const CudaOptions& options) {
  const TempFolder folder;
  const std::string shard = folder / "train.bin";
  write_shard(shard, 20000, kVocab);
  for (const DType compute : {DType::f32, DType::bf16}) {
    INFO(name(compute));
    const auto gpu = open_gpu(options);
    if (!gpu) return;
    const bool less = options.portable_attention && compute == DType::bf16;
    const MemoryStats got = peak_of(*gpu, shard, compute);
    const auto dry = dry_cuda_device(gpu->facts());
    const MemoryStats plan = peak_of(*dry, shard, compute);
    for (std::size_t i = 0; i < plan.by_purpose.size(); ++i) {
      const auto purpose = static_cast<Purpose>(i);
      INFO(name(purpose));
      if (less && purpose == Purpose::workspace)
        CHECK(got.by_purpose[i].peak <= plan.by_purpose[i].peak);
      else
        CHECK(got.by_purpose[i].peak == plan.by_purpose[i].peak);
    }
    CHECK(got.total.peak <= plan.total.peak);
    if (!less) CHECK(got.total.peak == plan.total.peak);
  }
}

}  // namespace

TEST_CASE("gpu: a step's memory is the plan's, with our attention", "[gpu][memory]") {
  check_plan({.portable_attention = true});
}

TEST_CASE("gpu: a step's memory is the plan's, with cuDNN's attention", "[gpu][memory]") {
  check_plan({});
}

TEST_CASE("gpu: what does not fit is refused by name, and nothing is lost",
          "[gpu][memory][errors]") {
  using Catch::Matchers::Contains;
  auto gpu = open_gpu();
  if (!gpu) return;
  const Tensor kept = Tensor::full(*gpu, {1000}, 3.0);
  const auto before = gpu->allocator().stats();
  try {
    Tensor::empty(*gpu, {std::int64_t{1} << 44}, DType::f32, {Purpose::gradients, "a huge tensor"});
    FAIL("64 TiB were given");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::out_of_memory);
    CHECK_THAT(e.what(), Contains("70368744177664 bytes of gradients ('a huge tensor')"));
  }
  CHECK(gpu->allocator().stats().total.now == before.total.now);
  CHECK(kept.to_vector<double>() == std::vector<double>(1000, 3.0));
  CHECK_NOTHROW(Tensor::full(*gpu, {1000}, 4.0));
}
