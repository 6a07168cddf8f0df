// Groups made from groups. Every rank gets what every rank says and draws its own conclusion, so
// that it works alike on every transport.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "collectives/checks.h"
#include "collectives/local.h"
#include "gigatrain/base/error.h"
#include "gigatrain/base/hash.h"
#include "gigatrain/collectives/communicator.h"
#include "gigatrain/runtime/device.h"

namespace gigatrain {

using namespace collectives;

namespace {

using Kind = std::array<char, 32>;

// "cuda", "dry cuda", "cpu", ...
Kind kind_of(Device& device) {
  const bool dry = device.backend() && device.backend()->dry();
  Kind kind{};
  ((dry ? "dry " : "") + device.facts().kind).copy(kind.data(), kind.size() - 1);
  return kind;
}

void require_one_kind(const std::vector<Kind>& kinds, const Group& group) {
  for (std::size_t r = 1; r < kinds.size(); ++r)
    if (kinds[r] != kinds[0])
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("on: the devices of group '{}' must be of one kind, got '{}' of rank "
                              "{} and '{}' of rank {}",
                              *group.name, kinds[0].data(), group.members[0], kinds[r].data(),
                              group.members[r]),
                  "open the same kind of device on every rank");
}

}  // namespace

std::int64_t Communicator::exchange(Collective operation, const void* mine, void* all,
                                    std::int64_t bytes, At at) {
  Transfer t = start({.operation = operation, .count = size()}, at);
  t.device = nullptr;
  t.send = repeat(TensorView(const_cast<void*>(mine), DType::u8, {bytes}), size());
  t.receive = cut(TensorView(all, DType::u8, {bytes * size()}),
                  std::vector<std::int64_t>(static_cast<std::size_t>(size()), bytes));
  const std::int64_t number = t.record.what.sequence;
  go(std::move(t)).wait();
  return number;
}

std::unique_ptr<Communicator> Communicator::on(Device& device, At at) {
  const Kind mine = kind_of(device);
  std::vector<Kind> all(static_cast<std::size_t>(size()));
  const std::int64_t number =
      exchange(Collective::on, mine.data(), all.data(), std::int64_t{sizeof(Kind)}, at);
  require_one_kind(all, group_);
  Group group = group_;
  group.id = hash64(fmt::format("{}/{}/on", group_.id, number));
  group.name = std::make_shared<const std::string>(fmt::format("{}/{}", name(), mine.data()));
  group.device = device.host_memory() ? nullptr : &device;
  return size() == 1 ? make_local(std::move(group), log_) : subgroup(std::move(group));
}

std::unique_ptr<Communicator> Communicator::split(int color, int key, const std::string& name,
                                                  At at) {
  struct Wish {
    std::int32_t color, key;
  };
  const Wish mine{color, key};
  std::vector<Wish> all(static_cast<std::size_t>(size()));
  const std::int64_t number =
      exchange(Collective::split, &mine, all.data(), std::int64_t{sizeof(Wish)}, at);
  if (color < 0) return nullptr;

  std::vector<int> ranks;  // of this group
  for (int r = 0; r < size(); ++r)
    if (all[static_cast<std::size_t>(r)].color == color) ranks.push_back(r);
  std::stable_sort(ranks.begin(), ranks.end(), [&](int a, int b) {
    return all[static_cast<std::size_t>(a)].key < all[static_cast<std::size_t>(b)].key;
  });
  const std::string label = name.empty() ? fmt::format("color {}", color) : name;
  if (ranks.size() == 1) return alone(label);
  Group group = group_;
  group.id = hash64(fmt::format("{}/{}/{}", group_.id, number, color));
  group.name = std::make_shared<const std::string>(fmt::format("{}/{}", this->name(), label));
  group.members.clear();
  for (const int r : ranks) group.members.push_back(program_rank(r));
  group.rank = static_cast<int>(std::find(ranks.begin(), ranks.end(), rank()) - ranks.begin());
  return subgroup(std::move(group));
}

std::unique_ptr<Communicator> Communicator::alone(const std::string& name) const {
  Group group{.name = std::make_shared<const std::string>(fmt::format("{}/{}", this->name(), name)),
              .members = {program_rank(rank())},
              .device = group_.device};
  return make_local(std::move(group), log_);
}

}  // namespace gigatrain
