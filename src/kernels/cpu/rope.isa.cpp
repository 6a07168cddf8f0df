// Rotary position embedding and the norm before it on the CPU: see kernels/rope.h. A task is some
// positions with all their heads; sines and cosines are computed once a position.
#include "kernels/rope.h"

#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN
namespace {

// y = x cosine + partner(x) sine, element by element: the partner is the pair's other element, and
// the sine carries its sign.
struct Rotation {
  std::int64_t pairs;
  bool interleaved;
  float cosine[kMaxHeadDim], sine[kMaxHeadDim];

  // sign -1 turns backwards.
  void turn_to(const RopeAngles& a, std::int64_t row, std::int64_t length, float sign) {
    const auto* positions = a.positions.as<std::int32_t>();
    const std::int64_t position = positions ? positions[row] : a.first_position + row % length;
    pairs = a.pairs;
    interleaved = a.interleaved;
    for (std::int64_t i = 0; i < pairs; i += kLanes) {
      u32x16 fraction;
      for (int l = 0; l < kLanes; ++l)
        fraction[l] = static_cast<std::uint32_t>(
            (static_cast<std::uint64_t>(position) * a.turns[i + l]) >> 32);
      f32x16 s, c;
      sincos_fraction(fraction, s, c);
      place(i, smaller(kLanes, pairs - i), s * (a.scale * sign), c * a.scale);
    }
  }

  void place(std::int64_t first, std::int64_t n, f32x16 s, f32x16 c) {
    for (std::int64_t l = 0; l < n; ++l) {
      const std::int64_t i = interleaved ? 2 * (first + l) : first + l;
      const std::int64_t j = interleaved ? i + 1 : i + pairs;
      cosine[i] = cosine[j] = c[l];
      sine[i] = -s[l];
      sine[j] = s[l];
    }
  }

  // `x`: n floats; `y` is elsewhere.
  template <class T>
  void turn(const float* x, T* y, std::int64_t n) const {
    if (interleaved) {
      for_lanes(2 * pairs, [&](auto lanes, std::int64_t i) GT_BODY {
        const f32x16 v = lanes.get(x + i);
        const f32x16 partner =
            __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
        lanes.put(y + i, fma(partner, lanes.get(sine + i), v * lanes.get(cosine + i)));
      });
    } else {
      turn_half(x, x + pairs, y, 0);
      turn_half(x + pairs, x, y, pairs);
    }
    const float* rest = x + 2 * pairs;
    for_lanes(n - 2 * pairs, [&](auto lanes, std::int64_t i)
                                 GT_BODY { lanes.put(y + 2 * pairs + i, lanes.get(rest + i)); });
  }

  template <class T>
  void turn_half(const float* x, const float* partner, T* y, std::int64_t at) const {
    for_lanes(pairs, [&](auto lanes, std::int64_t i) GT_BODY {
      const f32x16 v = lanes.get(x + i) * lanes.get(cosine + at + i);
      lanes.put(y + at + i, fma(lanes.get(partner + i), lanes.get(sine + at + i), v));
    });
  }
};

template <class T>
GT_INLINE T* head_at(const TensorView& x, std::int64_t row, std::int64_t head) {
  const std::int64_t length = x.shape[1];
  return x.as<T>() + row / length * x.strides[0] + row % length * x.strides[1] +
         head * x.strides[2];
}

template <class Args>
GT_INLINE const float* weight_of(const Args& a, std::int64_t head) {
  return (head < a.q_heads ? a.q_weight : a.k_weight).template as<const float>();
}

template <class T>
GT_INLINE float rstd_of(const T* x, std::int64_t n, float eps) {
  f32x16 squares{};
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 v = lanes.get(x + i);
    squares = fma(v, v, squares);
  });
  return 1.0f / __builtin_sqrtf(reduce_add(squares) / static_cast<float>(n) + eps);
}

template <class T>
void copy_head(const T* x, T* y, std::int64_t n) {
  if (x != y) __builtin_memcpy(y, x, static_cast<std::size_t>(n) * sizeof(T));
}

template <class T>
void forward_head(const T* x, T* y, std::int64_t n, const float* weight, float eps,
                  const Rotation& rotation) {
  const f32x16 r = splat(weight ? rstd_of(x, n, eps) : 1.0f);
  float v[kMaxHeadDim];
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 xhat = lanes.get(x + i) * r;
    lanes.put(v + i, weight ? xhat * lanes.get(weight + i) : xhat);
  });
  rotation.turn(v, y, n);
}

// g: the gradient of the normalised head. ds as in norm.isa.cpp; dweight: the block's sum, or null.
template <class T>
void norm_gradient(const T* x, const float* g, T* dx, std::int64_t n, const float* weight,
                   float eps, float* dweight) {
  const float rstd = rstd_of(x, n, eps);
  f32x16 sum{};
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 d = lanes.get(g + i), xhat = lanes.get(x + i) * rstd;
    sum = fma(d * lanes.get(weight + i), xhat, sum);
    if (dweight) lanes.put(dweight + i, fma(d, xhat, lanes.get(dweight + i)));
  });
  const f32x16 slope = splat(-reduce_add(sum) / static_cast<float>(n));
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 xhat = lanes.get(x + i) * rstd;
    lanes.put(dx + i, fma(xhat, slope, lanes.get(g + i) * lanes.get(weight + i)) * rstd);
  });
}

template <class T>
void backward_head(const RopeBackward& a, std::int64_t row, std::int64_t head,
                   const Rotation& rotation, float* dweight) {
  const std::int64_t n = a.dy.shape[3];
  const T* dy = head_at<T>(a.dy, row, head);
  T* dx = head_at<T>(a.dx, row, head);
  float d[kMaxHeadDim], g[kMaxHeadDim];
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY { lanes.put(d + i, lanes.get(dy + i)); });
  const float* weight = weight_of(a, head);
  if (!weight) return rotation.turn(d, dx, n);
  rotation.turn(d, g, n);
  norm_gradient(head_at<T>(a.x, row, head), g, dx, n, weight, a.eps, dweight);
}

// body(begin, end, block) over blocks of rows of about kChunk elements.
template <class Body>
GT_INLINE void for_positions(CpuQueue& queue, const TensorView& x, const Body& body) {
  const std::int64_t size = larger(1, kChunk / larger(1, x.shape[2] * x.shape[3]));
  for_blocks(queue, x.shape[0] * x.shape[1], size,
             [&](std::int64_t begin, std::int64_t end, int) { body(begin, end, begin / size); });
}

template <class T>
void forward(CpuQueue& queue, const RopeForward& a) {
  const std::int64_t n = a.x.shape[3], rotated = a.q_heads + a.k_heads;
  for_positions(queue, a.x, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    Rotation rotation;
    for (std::int64_t row = begin; row < end; ++row) {
      rotation.turn_to(a.angles, row, a.x.shape[1], 1.0f);
      for (std::int64_t h = 0; h < a.x.shape[2]; ++h) {
        const T* x = head_at<T>(a.x, row, h);
        T* y = head_at<T>(a.y, row, h);
        if (h < rotated)
          forward_head(x, y, n, weight_of(a, h), a.eps, rotation);
        else
          copy_head(x, y, n);
      }
    }
  });
}

template <class T>
void backward(CpuQueue& queue, const RopeBackward& a) {
  const std::int64_t n = a.dy.shape[3], rotated = a.q_heads + a.k_heads, stride = padded(n);
  const std::int64_t rows = a.dy.shape[0] * a.dy.shape[1];
  const std::int64_t size = larger(1, kChunk / larger(1, a.dy.shape[2] * n));
  const bool parameters = a.dq_weight || a.dk_weight;
  const Scratch partials(queue, parameters ? blocks_of(rows, size) * 2 * stride * 4 : 0,
                         "rope.partials");
  for_positions(queue, a.dy, [&](std::int64_t begin, std::int64_t end, std::int64_t block) {
    float* sums = parameters ? partials.as<float>() + block * 2 * stride : nullptr;
    if (sums) __builtin_memset(sums, 0, static_cast<std::size_t>(2 * stride) * 4);
    Rotation rotation;
    for (std::int64_t row = begin; row < end; ++row) {
      rotation.turn_to(a.angles, row, a.dy.shape[1], -1.0f);
      for (std::int64_t h = 0; h < a.dy.shape[2]; ++h)
        if (h < rotated)
          backward_head<T>(a, row, h, rotation, sums && h >= a.q_heads ? sums + stride : sums);
        else
          copy_head(head_at<T>(a.dy, row, h), head_at<T>(a.dx, row, h), n);
    }
  });
  const auto add = [&](const TensorView& dweight, std::int64_t at) {
    if (dweight)
      add_partials(queue, partials.as<float>() + at, blocks_of(rows, size), 2 * stride, n,
                   dweight.as<float>(), a.accumulate);
  };
  add(a.dq_weight, 0);
  add(a.dk_weight, stride);
}

}  // namespace

void run(CpuQueue& queue, const RopeForward& args) {
  with_activation_type(args.kName, args.x.dtype,
                       [&](auto type) { forward<decltype(type)>(queue, args); });
}

void run(CpuQueue& queue, const RopeBackward& args) {
  with_activation_type(args.kName, args.dy.dtype,
                       [&](auto type) { backward<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_CPU_KERNEL(RopeForward)
GT_CPU_KERNEL(RopeBackward)
