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

// Strided elements are handled in blocks of kStrided, by way of a contiguous buffer, so that each
// operation needs one loop only.
inline constexpr std::int64_t kStrided = 256;

template <class T>
__attribute__((noinline)) void gather(const T* from, std::int64_t stride, std::int64_t n, T* to) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
}
template <class T>
__attribute__((noinline)) void scatter(const T* from, T* to, std::int64_t stride, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i * stride] = from[i];
}

// One view's part of a run.
template <class T>
struct Run {
  T* data;
  std::int64_t stride;

  // Elements [i, i + n) side by side: where they are, or copied to `buffer`.
  template <class Buffer>
  GT_INLINE const T* read(std::int64_t i, std::int64_t n, Buffer& buffer) const {
    if (stride == 1) return data + i;
    gather(data + i * stride, stride, n, buffer);
    return buffer;
  }
};

// Calls body(inputs..., output, n) on contiguous pieces of one run.
template <class T, class Out, class Body>
GT_INLINE void for_pieces(std::int64_t n, Run<const T> in, Run<Out> out, const Body& body) {
  const bool direct = in.stride == 1 && out.stride == 1;
  const std::int64_t size = direct ? n : kStrided;
  for (std::int64_t i = 0; i < n; i += size) {
    const std::int64_t count = smaller(size, n - i);
    T x[kStrided];
    Out y[kStrided];
    Out* to = out.stride == 1 ? out.data + i : y;
    body(in.read(i, count, x), to, count);
    if (to == y) scatter<Out>(y, out.data + i * out.stride, out.stride, count);
  }
}
template <class T, class Body>
GT_INLINE void for_pieces(std::int64_t n, Run<const T> a, Run<const T> b, Run<T> out,
                          const Body& body) {
  const std::int64_t size = b.stride == 1 && a.stride == 1 && out.stride == 1 ? n : kStrided;
  for (std::int64_t i = 0; i < n; i += size) {
    const std::int64_t count = smaller(size, n - i);
    T buffer[kStrided];
    const T* right = b.read(i, count, buffer);
    for_pieces(count, Run<const T>{a.data + i * a.stride, a.stride},
               Run<T>{out.data + i * out.stride, out.stride},
               [&](const T* left, T* to, std::int64_t m) GT_BODY { body(left, right, to, m); });
  }
}

GT_ISA_END
