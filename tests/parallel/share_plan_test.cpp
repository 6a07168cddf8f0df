// Which gradients and weights lie together, where ranks cut them, and in which order they move.
#include "parallel/share_plan.h"

#include <catch2/catch.hpp>

#include <algorithm>

#include "gigatrain/base/error.h"
#include "gigatrain/nn/models/gpt.h"
#include "gigatrain/nn/models/llama.h"
#include "gigatrain/optim/muon.h"
#include "kernels/reduce.h"
#include "parallel/bucket_progress.h"

using namespace gigatrain;
using namespace gigatrain::parallel;
using Catch::Matchers::Contains;
using Numbers = std::vector<std::size_t>;

namespace {

std::shared_ptr<nn::LanguageModel> gpt() {
  return nn::gpt({.vocab_size = 300, .n_positions = 16, .n_layer = 3, .n_head = 4, .n_embd = 64});
}

std::shared_ptr<nn::LanguageModel> llama() {
  return nn::llama({.vocab_size = 300,
                    .n_positions = 16,
                    .n_layer = 2,
                    .n_head = 4,
                    .n_kv_head = 2,
                    .n_embd = 64,
                    .n_inner = 96,
                    .head_dim = 16,
                    .tie = false});
}

// Every element is one shard's, whole chunks of it.
void check_parts(const SharePlan& plan, const std::vector<Parameter*>& parameters, int shards) {
  for (const auto* p : parameters) {
    INFO(p->name() << " on " << shards << " shards");
    std::int64_t end = 0;
    for (int shard = 0; shard < shards; ++shard) {
      const auto range = plan.range_of(*p, shard);
      if (range.size() == 0) continue;
      CHECK(range.begin == end);
      CHECK(range.begin % kernels::kScalarChunk == 0);
      end = range.end;
    }
    CHECK(end == p->shape().numel());
  }
}

}  // namespace

TEST_CASE("each element of a model is one shard's", "[unit][parallel]") {
  for (const auto& model : {gpt(), llama()})
    for (const int shards : {1, 2, 3, 16})
      for (const std::int64_t bucket : {1L, 20'000L, 1L << 22}) {
        const auto parameters = nn::named_parameters(*model);
        check_parts(make_share_plan(*model, shards, bucket, nullptr, DType::f32), parameters,
                    shards);
        const auto whole = [](const Parameter& p) { return optim::is_hidden_matrix(p); };
        const SharePlan plan = make_share_plan(*model, shards, bucket, whole, DType::f32);
        check_parts(plan, parameters, shards);
        std::vector<std::int64_t> loads(static_cast<std::size_t>(shards));
        std::int64_t largest = 0;  // a pack is not taken apart
        for (const auto& b : plan.buckets)
          for (const auto& unit : b.units) largest = std::max(largest, unit.shape.numel());
        for (const auto* p : parameters)
          for (int shard = 0; shard < shards; ++shard) {
            const std::int64_t size = plan.range_of(*p, shard).size();
            if (whole(*p)) CHECK((size == 0 || size == p->shape().numel()));
            if (whole(*p)) loads[static_cast<std::size_t>(shard)] += size;
          }
        // As even as can be: no matrix would fit between the most and the least.
        CHECK(*std::max_element(loads.begin(), loads.end()) -
                  *std::min_element(loads.begin(), loads.end()) <=
              largest);
      }
}

TEST_CASE("a tied head moves first, cut as the table's values are", "[unit][parallel]") {
  const auto model = gpt();
  const SharePlan plan = make_share_plan(*model, 3, 20'000, nullptr, DType::f32);
  const SharedBucket& head = plan.buckets.front();
  CHECK_FALSE(head.holds_values);
  const Parameter& table = *head.units.front().members.front().parameter;
  CHECK(table.name() == "transformer.wte.weight");
  const auto place = plan.place_of(table);
  CHECK(plan.buckets[place.bucket].holds_values);
  for (int shard = 0; shard < 3; ++shard) {
    const auto range = plan.range_of(table, shard);
    const auto s = static_cast<std::size_t>(shard);
    CHECK(head.borders[s] == range.begin);
    CHECK(std::min(head.borders[s + 1], table.shape().numel()) == range.end);
  }
  CHECK_THROWS_WITH(plan.place_of(Parameter({1}, {})), Contains("not one that the ranks share"));
}

TEST_CASE("units are aligned, packs are one, vectors stand apart", "[unit][parallel]") {
  const auto model = llama();
  const SharePlan plan = make_share_plan(*model, 2, 1 << 22, nullptr, DType::f32);
  std::size_t packs = 0, vectors = 0;
  for (const auto& bucket : plan.buckets) {
    vectors += bucket.matrices ? 0 : 1;
    for (const auto& unit : bucket.units) {
      CHECK(unit.offset % 64 == 0);
      packs += unit.members.size() == 3 ? 1 : 0;
      for (const auto& member : unit.members)
        CHECK((member.parameter->shape().dims() >= 2) == bucket.matrices);
    }
  }
  CHECK(packs == 2);    // q, k and v of each layer
  CHECK(vectors == 1);  // one bucket for all norms
}

TEST_CASE("buckets start in one order, whatever becomes ready first", "[unit][parallel]") {
  BucketProgress progress({2, 2, 1});
  for (int wave = 0; wave < 2; ++wave) {
    CHECK(progress.ready(3) == Numbers{});
    CHECK(progress.ready(2) == Numbers{});  // bucket 1 waits for bucket 0
    CHECK(progress.ready(0) == Numbers{});
    CHECK(progress.ready(1) == Numbers{0, 1});
    CHECK_THROWS_WITH(progress.ready(1), Contains("was ready before"));
    if (wave == 1) CHECK(progress.ready(4) == Numbers{2});
    CHECK(progress.rest() == (wave == 0 ? Numbers{2} : Numbers{}));
  }
}
