// A use's whole tensor from where its weights are kept (tensor/tensor_source.h).
#pragma once

#include "gigatrain/tensor/node.h"
#include "gigatrain/tensor/parameter.h"
#include "gigatrain/tensor/tensor_source.h"

namespace gigatrain {

inline Tensor fetched(const std::shared_ptr<GradLeaf>& leaf, bool gradient_wanted) {
  Tensor whole = leaf->weights->fetch().detach();
  whole.set_source(leaf->weights);
  if (gradient_wanted) whole.set_leaf(leaf);
  return whole;
}

// Call before a parameter's own values are written.
inline void settle_weights(const Parameter& parameter) {
  for (const auto& use : parameter.uses())
    if (const auto& weights = use->leaf().weights) weights->settle();
}

}  // namespace gigatrain
