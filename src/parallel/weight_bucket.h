// The values of a bucket's parameters where ranks share them: each rank keeps its own part, and
// gathers the whole for those who compute with it. ZeRO 1 and 2 keep the whole; ZeRO 3 has it as
// long as somebody uses it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/tensor/tensor_source.h"
#include "parallel/share_plan.h"

namespace gigatrain::parallel {

class WeightBucket {
 public:
  // Takes the parameters' values over: each becomes its share. `stays`: the whole is kept.
  // `weights`: for parameters without memory, which get it one unit after the other.
  WeightBucket(const SharedBucket& bucket, Device& device, Communicator& shards, bool stays,
               const std::optional<nn::MaterializeOptions>& weights);

  // Begins to gather what has changed, unless it is under way.
  void start();
  // The whole, flat, in the compute dtype; waits for it.
  const Tensor& whole();
  void settle() { work_.wait(); }  // a gathering under way: the values may be written again
  bool stays() const { return stays_; }
  void release();  // the next whole() gathers again; a gathering under way is waited for

 private:
  void make_memory(Device& device, const Parameter& like);
  void take_over(Parameter& parameter, std::int64_t offset);
  std::uint64_t version() const;  // of the values; the same on every rank
  std::int64_t begin() const { return borders_[static_cast<std::size_t>(shards_.rank())]; }
  std::int64_t size() const {
    return borders_[static_cast<std::size_t>(shards_.rank()) + 1] - begin();
  }
  Tensor part(const Tensor& flat, std::int64_t offset, std::int64_t numel) const;

  Communicator& shards_;
  std::vector<std::int64_t> borders_;
  std::vector<Parameter*> parameters_;
  bool stays_;
  Tensor own_;     // this rank's part in the compute dtype; a window on whole_ where that stays
  Tensor master_;  // the same in the masters' dtype; own_ itself when that is the same
  Tensor whole_;
  std::uint64_t gathered_ = 0;  // the version that whole_ holds, or will
  Work work_;                   // goes first: waits before the memory goes
};

}  // namespace gigatrain::parallel
