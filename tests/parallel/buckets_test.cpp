// Buckets hold every gradient once, in order and aligned; they start in one order.
#include "gigatrain/parallel/buckets.h"

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/parallel/leaf_plan.h"

using namespace gigatrain;
using namespace gigatrain::parallel;
using Catch::Matchers::Contains;
using Numbers = std::vector<std::size_t>;

TEST_CASE("buckets close at the wanted size and cut no tensor", "[unit][parallel]") {
  const auto buckets = make_buckets({100, 30, 5000, 0, 64, 65, 1}, 200);
  REQUIRE(buckets.size() == 2);
  const auto offsets = [](const Bucket& b) {
    std::vector<std::int64_t> out;
    for (const auto& m : b.members) out.push_back(m.offset);
    return out;
  };
  CHECK(offsets(buckets[0]) == std::vector<std::int64_t>{0, 128, 192});
  CHECK(buckets[0].size == 192 + 5056);
  CHECK(offsets(buckets[1]) == std::vector<std::int64_t>{0, 0, 64, 192});
  CHECK(buckets[1].size == 256);
  CHECK(buckets[1].members[2].item == 5);
  CHECK(buckets[1].members[2].size == 65);
  CHECK(make_buckets({}, 1).empty());
  CHECK(make_buckets({1, 1, 1}, 1).size() == 3);
}

TEST_CASE("shards of a bucket are cut at chunks of its tensors", "[unit][parallel]") {
  const auto bucket = make_buckets({5000, 9000, 3}, 1 << 20).at(0);
  CHECK(bucket.tensor_sizes() == std::vector<std::int64_t>{5056, 9024, 64});
  CHECK(shard_borders(bucket.tensor_sizes(), 3) ==
        std::vector<std::int64_t>{0, 4096, 5056 + 4096, 14144});
}

TEST_CASE("buckets start in one order, whatever becomes ready first", "[unit][parallel]") {
  BucketProgress progress(make_buckets({10, 10, 10, 10, 10}, 100));  // 0 1 | 2 3 | 4
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

TEST_CASE("buckets refuse wrong sizes", "[unit][parallel][errors]") {
  CHECK_THROWS_WITH(make_buckets({1}, 0), Contains("at least 1 element"));
  CHECK_THROWS_WITH(make_buckets({1, -2}, 8), Contains("got 8 and 1 -2"));
}
