// Tensors whose memory comes and goes, or must be waited for. Where ranks share a model, a use asks
// its weight's source for the whole tensor each time (parallel/data_parallel.h); a cheap function
// of what is saved anyway is computed again (tensor/recomputed.h).
#pragma once

#include "gigatrain/tensor/tensor.h"

namespace gigatrain {

class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // The whole tensor, of a weight in its compute dtype, up to date.
  virtual Tensor fetch() = 0;
  // May the memory go when nobody holds the tensor? Then the tape saves the source in place of it,
  // and fetches again in the backward.
  virtual bool leaves() const = 0;
  // Call before a weight's values are written: nothing that moves reads them afterwards.
  virtual void settle() {}
};

}  // namespace gigatrain
