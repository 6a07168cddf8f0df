// Several strided views of one shape, walked together in row-major order. Dims that are adjacent in
// memory in every view are merged, so that contiguous views have one dim, and rows with gaps two.
#pragma once

#include "kernels/cuda/geometry.h"

namespace gigatrain::kernels::cuda {

template <int V>
struct StridedWalk {
  int dims = 0;  // at least 1, innermost first
  std::int64_t total = 1;
  std::int64_t size[kMaxDims] = {};
  std::int64_t stride[kMaxDims][V] = {};  // 0 repeats a dim

  // at[v]: where element i of the walk lies in view v.
  GT_DEVICE void offsets(std::int64_t i, std::int64_t (&at)[V]) const {
    GT_UNROLL
    for (int v = 0; v < V; ++v) at[v] = 0;
    GT_UNROLL
    for (int d = 0; d < kMaxDims; ++d) {
      if (d >= dims) break;
      const std::int64_t rest = d == dims - 1 ? 0 : i / size[d];
      const std::int64_t here = i - rest * size[d];
      GT_UNROLL
      for (int v = 0; v < V; ++v) at[v] += here * stride[d][v];
      i = rest;
    }
  }

  void add_outer(std::int64_t n, const std::int64_t (&step)[V]) {
    size[dims] = n;
    for (int v = 0; v < V; ++v) stride[dims][v] = step[v];
    ++dims;
  }
  bool continues(
      const std::int64_t (&step)[V]) const {  // is a dim of these steps more of the last?
    if (dims == 0) return false;
    for (int v = 0; v < V; ++v)
      if (step[v] != stride[dims - 1][v] * size[dims - 1]) return false;
    return true;
  }
  // The walk over all dims but two.
  StridedWalk without(int p, int q) const {
    StridedWalk rest;
    for (int d = 0; d < dims; ++d)
      if (d != p && d != q) rest.total *= size[d], rest.add_outer(size[d], stride[d]);
    if (rest.dims == 0) rest.add_outer(1, {});
    return rest;
  }
};

template <int V>
StridedWalk<V> make_walk(const TensorView* const (&views)[V]) {
  StridedWalk<V> walk;
  const Shape& shape = views[0]->shape;
  walk.total = shape.numel();
  for (int d = shape.dims() - 1; d >= 0; --d) {
    if (shape[d] == 1) continue;
    std::int64_t step[V];
    for (int v = 0; v < V; ++v) step[v] = views[v]->strides[static_cast<std::size_t>(d)];
    if (walk.continues(step))
      walk.size[walk.dims - 1] *= shape[d];
    else
      walk.add_outer(shape[d], step);
  }
  if (walk.dims == 0) walk.add_outer(1, {});
  return walk;
}

// May n elements at a time be read and written, in accesses of 16 bytes? The last view is written;
// the others may repeat one element along the innermost dim.
template <int V>
bool packs_fit(const StridedWalk<V>& walk, const TensorView* const (&views)[V], std::int64_t n) {
  if (walk.size[0] % n != 0) return false;
  for (int v = 0; v < V; ++v) {
    if (v < V - 1 && walk.stride[0][v] == 0) continue;
    if (walk.stride[0][v] != 1) return false;
    if (reinterpret_cast<std::uintptr_t>(views[v]->data) % 16 != 0) return false;
    for (int d = 1; d < walk.dims; ++d)
      if (walk.stride[d][v] % n != 0) return false;
  }
  return true;
}

}  // namespace gigatrain::kernels::cuda
