// Losses that are sums over elements, on the CPU: see kernels/pointwise_loss.h.
#include "kernels/pointwise_loss.h"

#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/wide.h"
#include "kernels/cpu/work.h"
#include "kernels/reduce.h"

GT_ISA_BEGIN
namespace {

struct Term {
  f32x16 value, slope;
};

struct Mse {
  GT_INLINE Term operator()(f32x16 x, f32x16 t) const {
    const f32x16 e = x - t;
    return {e * e, e + e};
  }
};

struct Huber {
  float delta;
  GT_INLINE Term operator()(f32x16 x, f32x16 t) const {
    const f32x16 e = x - t, size = abs(e), c = min(size, splat(delta));
    return {c * (size - 0.5f * c), min(splat(delta), max(splat(-delta), e))};  // a NaN stays one
  }
};

struct Bce {
  float positive;
  GT_INLINE Term operator()(f32x16 x, f32x16 t) const {
    const f32x16 e = exp(-abs(x)), u = e + 1.0f, zero{};
    const f32x16 tail = select(equal(u, splat(1.0f)), e, log(u) * (e / (u - 1.0f)));  // log(1 + e)
    const f32x16 weight = t * positive, rest = 1.0f - t;
    const f32x16 softplus = max(x, zero) + tail, softplus_minus = max(-x, zero) + tail;
    const i32x16 negative = less(x, zero), valid = less_equal(zero, t) & less_equal(t, zero + 1.0f);
    const f32x16 sigmoid = select(negative, e, zero + 1.0f) / u;
    const f32x16 sigmoid_minus = select(negative, zero + 1.0f, e) / u;
    const f32x16 nan = splat(__builtin_nanf(""));
    return {select(valid, rest * softplus + weight * softplus_minus, nan),
            select(valid, rest * sigmoid - weight * sigmoid_minus, nan)};
  }
};

// The sum of a chunk's terms; their slopes, scaled, go to dx unless that is null.
template <class T, class U, class F>
double one_chunk(const F& term, std::int64_t n, const T* x, const U* target, T* dx, float scale) {
  f64x8 low{}, high{};
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const Term at = term(lanes.get(x + i), lanes.get(target + i));
    f64x8 a, b;
    widen(lanes.keep(at.value), a, b);
    low += a, high += b;
    if (dx) lanes.put(dx + i, at.slope * scale);
  });
  return add_lanes(low + high);
}

template <class T, class U, class F>
void pointwise_loss(CpuQueue& queue, const PointwiseLoss& a, const F& term) {
  const std::int64_t n = a.x.numel(), chunks = blocks_of(n, kScalarChunk);
  const Scratch partials(queue, chunks * 8, "pointwise_loss.partials");
  for_blocks(queue, n, kScalarChunk, [&](std::int64_t begin, std::int64_t end, int) {
    T* dx = a.dx ? a.dx.as<T>() + begin : nullptr;
    partials.as<double>()[begin / kScalarChunk] =
        one_chunk(term, end - begin, a.x.as<const T>() + begin, a.target.as<const U>() + begin, dx,
                  static_cast<float>(a.scale));
  });
  if (queue.pool.dry()) return;
  *a.loss.as<float>() = static_cast<float>(tree_sum(partials.as<double>(), chunks) * a.scale);
}

template <class T, class U>
void with_term(CpuQueue& queue, const PointwiseLoss& a) {
  switch (a.term) {
    case PointwiseTerm::mse:
      return pointwise_loss<T, U>(queue, a, Mse{});
    case PointwiseTerm::huber:
      return pointwise_loss<T, U>(queue, a, Huber{a.parameter});
    case PointwiseTerm::bce:
      return pointwise_loss<T, U>(queue, a, Bce{a.parameter});
  }
}

}  // namespace

void run(CpuQueue& queue, const PointwiseLoss& args) {
  with_activation_type(args.kName, args.x.dtype, [&](auto type) {
    using T = decltype(type);
    if (args.target.dtype == DType::f32) return with_term<T, float>(queue, args);
    with_term<T, T>(queue, args);
  });
}

GT_ISA_END

GT_CPU_KERNEL(PointwiseLoss)
