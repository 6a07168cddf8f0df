#include "gigatrain/collectives/device_mesh.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "gigatrain/base/error.h"

namespace gigatrain {

namespace {

constexpr std::array<const char*, 5> kNames = {"pp", "dp", "cp", "ep", "tp"};

[[noreturn]] void refuse(std::string message, std::string next = {}) {
  throw Error(ErrorCode::invalid_argument, std::move(message), std::move(next));
}

void require_known(const std::string& name) {
  if (std::find(kNames.begin(), kNames.end(), name) == kNames.end())
    refuse(fmt::format("a mesh has the axes {}, not '{}'", fmt::join(kNames, ", "), name));
}

}  // namespace

DeviceMesh::DeviceMesh(Communicator& world, const std::vector<MeshAxis>& axes) : world_(world) {
  std::int64_t ranks = 1;
  for (const auto& [name, size] : axes) {
    require_known(name);
    if (size < 1) refuse(fmt::format("axis {} must have a size of at least 1, got {}", name, size));
    if (axes_.count(name)) refuse(fmt::format("axis {} is given twice", name));
    axes_[name].size = size;
    order_.push_back(name);
    ranks *= size;
  }
  if (ranks != world.size())
    refuse(fmt::format("the axes {} make {} ranks, '{}' has {}", axes.empty() ? "()" : str(), ranks,
                       world.name(), world.size()),
           fmt::format("start {} ranks, or choose sizes whose product is {}", ranks, world.size()));
  int rest = world.rank();
  for (auto name = order_.rbegin(); name != order_.rend(); ++name) {
    axes_[*name].coordinate = rest % axes_[*name].size;
    rest /= axes_[*name].size;
  }
  for (const char* name : kNames) axes_[name].communicator = group({name});
}

const DeviceMesh::Axis& DeviceMesh::find(const std::string& axis) const {
  require_known(axis);
  return axes_.at(axis);
}

std::unique_ptr<Communicator> DeviceMesh::group(const std::vector<std::string>& axes) const {
  int size = 1, color = 0;
  for (const auto& name : axes) require_known(name);
  for (const auto& name : order_) {
    const Axis& axis = axes_.at(name);
    if (std::find(axes.begin(), axes.end(), name) != axes.end())
      size *= axis.size;
    else
      color = color * axis.size + axis.coordinate;
  }
  const std::string label = fmt::format("{}", fmt::join(axes, "+"));
  return size == 1 ? world_.alone(label) : world_.split(color, world_.rank(), label);
}

std::string DeviceMesh::str() const {
  std::string out;
  for (const auto& name : order_)
    out += fmt::format("{}{} {}", out.empty() ? "" : " x ", name, axes_.at(name).size);
  return out;
}

}  // namespace gigatrain
