#include "parallel/share_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "gigatrain/base/error.h"
#include "gigatrain/base/integers.h"
#include "gigatrain/parallel/leaf_plan.h"

namespace gigatrain::parallel {

namespace {

// Units begin at a multiple of so many elements: 256 bytes of f32, which suits kernels.
constexpr std::int64_t kAlignment = 64;

// In the order of the layers, hence roughly of the forward.
std::vector<Parameter*> parameters_in_order(nn::Layer& layer) {
  std::vector<Parameter*> all;
  const auto add = [&all](Parameter* p) {
    if (std::find(all.begin(), all.end(), p) == all.end()) all.push_back(p);
  };
  for (const auto& [name, parameter] : layer.parameters()) add(parameter.get());
  for (const auto& [name, child] : layer.children())
    if (child)
      for (auto* p : parameters_in_order(*child)) add(p);
  return all;
}

class Units {
 public:
  explicit Units(nn::Layer& model) {
    for (auto* p : parameters_in_order(model)) {
      if (p->uses().empty() && p->requires_grad()) p->add_use();
      for (std::size_t use = 0; use < p->uses().size(); ++use) add(*p, use);
    }
    std::erase_if(all_, [](const Unit& unit) {
      return std::none_of(unit.members.begin(), unit.members.end(),
                          [](const auto& m) { return m.parameter->requires_grad(); });
    });
    // A backward goes the other way; a later use, such as a tied head, comes before everything.
    std::stable_sort(all_.begin(), all_.end(), [](const Unit& a, const Unit& b) {
      return a.members.front().use < b.members.front().use;
    });
    std::reverse(all_.begin(), all_.end());
  }

  // Those with the values of their parameters, and the others.
  std::pair<std::vector<Unit>, std::vector<Unit>> split() {
    std::vector<Unit> values, others;
    for (const auto& unit : all_) (holds_values(unit) ? values : others).push_back(unit);
    return {values, others};
  }
  // Where the unit stands in the backward.
  std::size_t position(const Unit& unit) const {
    return static_cast<std::size_t>(
        std::find_if(all_.begin(), all_.end(), [&](const Unit& u) { return u.leaf == unit.leaf; }) -
        all_.begin());
  }

 private:
  void add(Parameter& p, std::size_t use) {
    const auto& leaf = p.uses()[use]->shared_leaf();
    const auto found =
        std::find_if(all_.begin(), all_.end(), [&](const Unit& unit) { return unit.leaf == leaf; });
    if (found == all_.end()) {
      all_.push_back({leaf, {{&p, use, 0}}, p.shape()});
      return;
    }
    found->members.push_back({&p, use, found->shape.numel()});
    found->shape[0] += p.shape()[0];
  }

  // The pack, if a use is through one, else the first use.
  static bool holds_values(const Unit& unit) {
    const auto& member = unit.members.front();
    const auto& uses = member.parameter->uses();
    const auto packed = std::find_if(uses.begin(), uses.end(),
                                     [](const auto& use) { return use->first_row() >= 0; });
    const auto& holder = packed == uses.end() ? uses.front() : *packed;
    return holder->shared_leaf() == unit.leaf;
  }

  std::vector<Unit> all_;
};

void append(SharedBucket& bucket, Unit unit) {
  unit.offset = bucket.size;
  bucket.size += round_up(unit.shape.numel(), kAlignment);
  bucket.units.push_back(std::move(unit));
}

// Of each tensor with the gap behind it.
std::vector<std::int64_t> tensor_sizes(const SharedBucket& bucket) {
  std::vector<std::int64_t> sizes;
  std::int64_t end = 0;
  for (const auto& unit : bucket.units) {
    if (!sizes.empty()) sizes.back() += unit.offset - end;
    for (const auto& member : unit.members) sizes.push_back(member.parameter->shape().numel());
    end = unit.offset + unit.shape.numel();
  }
  if (!sizes.empty()) sizes.back() += bucket.size - end;
  return sizes;
}

// Fills buckets, one open for each kind.
class Filler {
 public:
  Filler(int shards, std::int64_t bucket_size, DType compute)
      : shards_(shards), least_(bucket_size), compute_(compute) {
    loads_.resize(static_cast<std::size_t>(shards));
  }

  void add(const Unit& unit, bool whole) {
    const Parameter& p = *unit.members.front().parameter;
    const bool matrix = p.shape().dims() >= 2;
    const DType dtype = p.value() || !matrix ? p.compute_dtype() : compute_;
    Open& open = open_for({dtype, matrix, whole});
    if (whole) {
      const int owner = owner_for(open);
      if (owner < open.owners.back()) close(open);
      open.owners.push_back(owner);
      loads_[static_cast<std::size_t>(owner)] += unit.shape.numel();
    }
    append(open.bucket, unit);
    if (open.bucket.size >= least_) close(open);
  }

  std::vector<SharedBucket> take() {
    for (auto& open : open_)
      if (!open.bucket.units.empty()) close(open);
    return std::move(done_);
  }

 private:
  using Kind = std::tuple<DType, bool, bool>;  // dtype, matrix, whole
  struct Open {
    Kind kind;
    SharedBucket bucket = {};
    std::vector<int> owners = {0};  // of the units, after a first 0
  };

  Open& open_for(const Kind& kind) {
    for (auto& open : open_)
      if (open.kind == kind) return open;
    return open_.emplace_back(Open{kind});
  }

  int owner_for(const Open& open) const {
    if (!std::get<1>(open.kind)) return 0;  // vectors: a thousandth of a model, in one bucket
    return static_cast<int>(std::min_element(loads_.begin(), loads_.end()) - loads_.begin());
  }

  void close(Open& open) {
    SharedBucket& bucket = open.bucket;
    const auto [dtype, matrix, whole] = open.kind;
    bucket.matrices = matrix;
    bucket.borders = whole ? owners_borders(open) : shard_borders(tensor_sizes(bucket), shards_);
    done_.push_back(std::move(bucket));
    open = Open{open.kind};
  }

  std::vector<std::int64_t> owners_borders(const Open& open) const {
    std::vector<std::int64_t> borders(static_cast<std::size_t>(shards_) + 1, open.bucket.size);
    for (int shard = 0; shard < shards_; ++shard)
      for (std::size_t i = open.bucket.units.size(); i-- > 0;)
        if (open.owners[i + 1] >= shard)
          borders[static_cast<std::size_t>(shard)] = open.bucket.units[i].offset;
    return borders;
  }

  int shards_;
  std::int64_t least_;
  DType compute_;
  std::vector<Open> open_;
  std::vector<std::int64_t> loads_;
  std::vector<SharedBucket> done_;
};

// A bucket for another use: cut as the values are.
SharedBucket bucket_of_use(const Unit& unit, const SharePlan& values) {
  SharedBucket bucket{.holds_values = false};
  append(bucket, unit);
  const auto& member = unit.members.front();
  const auto place = values.place_of(*member.parameter);
  for (const std::int64_t border : values.buckets[place.bucket].borders)
    bucket.borders.push_back(
        std::clamp<std::int64_t>(border - place.offset, 0, member.parameter->shape().numel()));
  bucket.borders.front() = 0;
  bucket.borders.back() = bucket.size;
  return bucket;
}

template <class Places>
SharePlan::Place found(const Places& places, const typename Places::key_type& key,
                       const Parameter& parameter) {
  const auto at = places.find(key);
  if (at != places.end()) return at->second;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("parameter '{}' is not one that the ranks share", parameter.name()));
}

}  // namespace

SharePlan::SharePlan(std::vector<SharedBucket> all) : buckets(std::move(all)) {
  for (std::size_t b = 0; b < buckets.size(); ++b)
    for (const auto& unit : buckets[b].units)
      for (const auto& member : unit.members) {
        const Place place{b, unit.offset + member.offset};
        gradients_[{member.parameter, member.use}] = place;
        if (buckets[b].holds_values) values_[member.parameter] = place;
      }
}

SharePlan::Place SharePlan::place_of(const Parameter& parameter) const {
  return found(values_, &parameter, parameter);
}

SharePlan::Place SharePlan::place_of(const Parameter& parameter, std::size_t use) const {
  return found(gradients_, {&parameter, use}, parameter);
}

SharePlan::Range SharePlan::range_of(const Parameter& parameter, int shard) const {
  const Place place = place_of(parameter);
  const auto& borders = buckets[place.bucket].borders;
  const auto within = [&](std::int64_t border) {
    return std::clamp<std::int64_t>(border - place.offset, 0, parameter.shape().numel());
  };
  const auto s = static_cast<std::size_t>(shard);
  return {within(borders[s]), within(borders[s + 1])};
}

SharePlan make_share_plan(nn::Layer& model, int shards, std::int64_t bucket_size,
                          const std::function<bool(const Parameter&)>& whole, DType compute) {
  Units units(model);
  const auto [values, others] = units.split();
  Filler filler(shards, bucket_size, compute);
  for (const auto& unit : values) {
    const bool any = whole && std::any_of(unit.members.begin(), unit.members.end(),
                                          [&](const auto& m) { return whole(*m.parameter); });
    filler.add(unit, any);
  }
  const SharePlan plan(filler.take());
  auto buckets = plan.buckets;
  for (const auto& unit : others) buckets.push_back(bucket_of_use(unit, plan));
  const auto last = [&](const SharedBucket& bucket) { return units.position(bucket.units.back()); };
  std::stable_sort(buckets.begin(), buckets.end(),
                   [&](const auto& a, const auto& b) { return last(a) < last(b); });
  return SharePlan(std::move(buckets));
}

}  // namespace gigatrain::parallel
