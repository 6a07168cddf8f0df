// Names for the ways in which ranks share work: pp (layers), dp (samples), cp (positions), ep
// (experts), tp (within a matrix). Ranks stand in a grid of these axes, the last one given varies
// fastest:
//
//   DeviceMesh mesh(world, {{"dp", 4}, {"tp", 2}});   // rank = dp * 2 + tp
//   mesh.axis("dp").all_gather(...)                   // the 4 ranks that share this rank's tp
//
// All five axes exist; one that is not given has size 1, and its communicator moves nothing.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gigatrain/collectives/communicator.h"

namespace gigatrain {

struct MeshAxis {
  std::string name;
  int size = 1;
};

class DeviceMesh {
 public:
  // Every rank of `world` gives the same axes; their sizes multiply to the number of ranks.
  DeviceMesh(Communicator& world, const std::vector<MeshAxis>& axes);

  int size(const std::string& axis) const { return find(axis).size; }
  int coordinate(const std::string& axis) const { return find(axis).coordinate; }
  // The ranks that differ from this one in `axis` alone; its rank there is its coordinate.
  Communicator& axis(const std::string& axis) const { return *find(axis).communicator; }
  // The same for several axes together, in the grid's order. Every rank calls it, with the same
  // ones.
  std::unique_ptr<Communicator> group(const std::vector<std::string>& axes) const;
  std::string str() const;  // "dp 4 x tp 2"

 private:
  struct Axis {
    int size = 1, coordinate = 0;
    std::unique_ptr<Communicator> communicator;
  };
  const Axis& find(const std::string& axis) const;

  Communicator& world_;
  std::vector<std::string> order_;  // as given
  std::map<std::string, Axis> axes_;
};

}  // namespace gigatrain
