// Walking several strided views of one shape together: dims that are adjacent in memory in every
// view are merged, and the rest is visited run by run along the innermost dim.
#pragma once

#include "kernels/cpu/work.h"

GT_ISA_BEGIN

template <int N>
struct Walk {
  int dims = 0;
  std::int64_t total = 1;
  std::int64_t size[kMaxDims] = {};
  std::int64_t stride[kMaxDims][N] = {};
};

template <int N>
Walk<N> make_walk(const TensorView* const (&views)[N]) {
  Walk<N> walk;
  const Shape& shape = views[0]->shape;
  for (int d = 0; d < shape.dims(); ++d) {
    const std::int64_t size = shape[d];
    walk.total *= size;
    if (size == 1) continue;
    std::int64_t stride[N];
    bool merges = walk.dims > 0;
    for (int v = 0; v < N; ++v) {
      stride[v] = views[v]->strides[static_cast<std::size_t>(d)];
      merges = merges && walk.stride[walk.dims - 1][v] == stride[v] * size;
    }
    const int at = merges ? walk.dims - 1 : walk.dims++;
    walk.size[at] = merges ? walk.size[at] * size : size;
    for (int v = 0; v < N; ++v) walk.stride[at][v] = stride[v];
  }
  if (walk.dims == 0) walk.size[walk.dims++] = 1;
  return walk;
}

// body(n, offset) for the runs of elements [begin, end) in row-major order: n elements along the
// innermost dim, the first at offset[v] in view v.
template <int N, class Body>
GT_INLINE void for_runs(const Walk<N>& walk, std::int64_t begin, std::int64_t end,
                        const Body& body) {
  const int inner = walk.dims - 1;
  for (std::int64_t at = begin; at < end;) {
    std::int64_t offset[N] = {}, rest = at;
    for (int d = inner; d >= 0; --d) {
      for (int v = 0; v < N; ++v) offset[v] += rest % walk.size[d] * walk.stride[d][v];
      rest /= walk.size[d];
    }
    const std::int64_t n = smaller(walk.size[inner] - at % walk.size[inner], end - at);
    body(n, offset);
    at += n;
  }
}

// Runs of at most kChunk elements of several views, over the pool.
template <int N, class Body>
GT_INLINE void for_view_runs(CpuQueue& queue, const TensorView* const (&views)[N],
                             const Body& body) {
  const Walk<N> walk = make_walk(views);
  const auto& strides = walk.stride[walk.dims - 1];
  for_blocks(queue, walk.total, kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    for_runs(walk, begin, end,
             [&](std::int64_t n, const std::int64_t(&offset)[N]) { body(n, offset, strides); });
  });
}

// One view's part of a run, read or written sixteen lanes at a time whatever its stride.
template <class T>
struct Run {
  T* data;
  std::int64_t stride;

  template <class Lanes>
  GT_INLINE f32x16 get(Lanes lanes, std::int64_t i) const {
    if (stride == 1) return lanes.get(data + i);
    if (stride == 0) return splat(static_cast<float>(*data));
    f32x16 v{};
    for (int l = 0; l < lanes.n; ++l) v[l] = static_cast<float>(data[(i + l) * stride]);
    return v;
  }
  template <class Lanes>
  GT_INLINE void put(Lanes lanes, std::int64_t i, f32x16 v) const {
    if (stride == 1) return lanes.put(data + i, v);
    T buffer[kLanes];
    store(buffer, v);
    for (int l = 0; l < lanes.n; ++l) data[(i + l) * stride] = buffer[l];
  }
};

GT_ISA_END
