// Softmax cross-entropy on the CPU: see kernels/cross_entropy.h. A row of logits is read from
// memory once: its maximum, then the exponentials and their sum (kept for the gradient), then the
// gradient all run over the cache. Subtracting the maximum keeps every exponential in (0, 1].
#include "kernels/cross_entropy.h"

#include "kernels/cpu/softmax_row.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN
namespace {

// sum of (from - z).
template <class T>
float sum_below(const T* z, std::int64_t n, float from) {
  f32x16 total{};
  for (std::int64_t b = 0; b < n; b += kSumBlock) {
    f32x16 part{};
    for_lanes(smaller(kSumBlock, n - b), [&](auto lanes, std::int64_t i) GT_BODY {
      part += from - lanes.get(z + b + i, from);
    });
    total += part;
  }
  return reduce_add(total);
}

// The row of an ignored target, or of one outside the vocabulary.
template <class T>
void fill_row(const CrossEntropy& a, std::int64_t row, T* dz, std::int64_t n, float value) {
  a.loss.as<float>()[row] = value;
  if (!dz) return;
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY { lanes.put(dz + i, splat(value)); });
}

// `terms` holds n floats and may be dz itself when T is float; `next`: as of sum_exp.
template <class T>
void one_row(const CrossEntropy& a, std::int64_t row, const T* z, T* dz, std::int64_t n,
             float* terms, const T* next) {
  const std::int64_t target = a.targets.as<std::int32_t>()[row];
  if (target < 0 || target >= n)
    return fill_row(a, row, dz, n, target == -1 ? 0.0f : __builtin_nanf(""));
  const float at_target = static_cast<float>(z[target]);  // before dz overwrites z
  const float highest = row_max(z, n), count = static_cast<float>(n);
  const float spread = a.label_smoothing == 0.0f ? 0.0f : sum_below(z, n, at_target) / count;
  const float sum = sum_exp(z, n, highest, dz ? terms : nullptr, next);
  const float log_sum = log(sum), lse = highest + log_sum;
  float loss = (highest - at_target) + log_sum;
  if (a.label_smoothing != 0.0f) loss += a.label_smoothing * spread;
  if (a.z_loss != 0.0f) loss += a.z_loss * lse * lse;
  a.loss.as<float>()[row] = loss * a.scale;
  if (!dz) return;
  const float slope = a.z_loss == 0.0f ? 1.0f : 1.0f + 2.0f * a.z_loss * lse;
  const float factor = a.scale / sum * slope, everywhere = a.scale * (a.label_smoothing / count);
  const float gradient_at_target =
      terms[target] * factor - everywhere - a.scale * (1.0f - a.label_smoothing);
  for_lanes(n, [&](auto lanes, std::int64_t i)
                   GT_BODY { lanes.put(dz + i, lanes.get(terms + i) * factor - everywhere); });
  dz[target] = T(gradient_at_target);
}

template <class T>
void cross_entropy(CpuQueue& queue, const CrossEntropy& a) {
  const std::int64_t n = a.logits.cols(), rows = a.logits.rows();
  const bool in_place = sizeof(T) == sizeof(float);
  const std::int64_t floats = a.dlogits && !in_place ? padded(n) : 0;
  const Scratch terms(queue, floats * 4 * queue.pool.threads(), "cross_entropy.terms");
  const std::int64_t z_stride = a.logits.strides[0];
  const std::int64_t dz_stride = a.dlogits ? a.dlogits.strides[0] : 0;
  const T* logits = a.logits.as<const T>();
  for_blocks(queue, rows, softmax_rows(n), [&](std::int64_t begin, std::int64_t end, int worker) {
    for (std::int64_t row = begin; row < end; ++row) {
      T* dz = a.dlogits ? a.dlogits.as<T>() + row * dz_stride : nullptr;
      void* kept = in_place ? static_cast<void*>(dz) : terms.as<float>() + worker * floats;
      one_row(a, row, logits + row * z_stride, dz, n, static_cast<float*>(kept),
              logits + smaller(row + 1, end - 1) * z_stride);
    }
  });
}

}  // namespace

void run(CpuQueue& queue, const CrossEntropy& args) {
  with_activation_type(args.kName, args.logits.dtype,
                       [&](auto type) { cross_entropy<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_CPU_KERNEL(CrossEntropy)
