// Weights whose memory comes and goes, or must be waited for: where ranks share a model, a use asks
// its source for the whole tensor each time (parallel/data_parallel.h).
#pragma once

#include "gigatrain/tensor/tensor.h"

namespace gigatrain {

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // The whole tensor in its compute dtype, up to date.
  virtual Tensor fetch() = 0;
  // May the memory go when nobody holds the tensor? Then the tape saves the source in place of it,
  // and fetches again in the backward.
  virtual bool leaves() const = 0;
  // Call before the values are written: nothing that moves reads them afterwards.
  virtual void settle() = 0;
};

}  // namespace gigatrain
