// What attention forward and backward share: blocks of 64 queries by 128 keys.
//
// Scores are held transposed, S^T (keys, queries), so that a vector register holds sixteen queries:
// the softmax runs down the keys with no sums across lanes, and every product below reads its left
// side as it lies. A query sees the keys in ascending order whatever its block.
#pragma once

#include "kernels/cpu/attention_problem.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN

inline constexpr std::int64_t kQueries = 64, kKeys = 128;  // kKeys is part of the numerics

// Left sides: packed; S^T read as (queries, keys); S^T read as (keys, queries).
inline constexpr MicroTable kQueryRows = f32_table<1, kQueries>();
inline constexpr MicroTable kKeyRows = f32_table<kQueries, 1>();

struct Left {
  const MicroTable& micro;
  const float* data;
  std::int64_t row_step;  // floats from row to row, or of a packed row
};

// C (rows, columns) += or = left (rows, k) right (k, columns); right is packed for `right_k` >= k.
// Strips are cut for `packed` >= rows of a packed left side; a strip in part needed is done whole.
inline void block_product(const Left& left, std::int64_t rows, std::int64_t packed, std::int64_t k,
                          const float* right, std::int64_t right_k, std::int64_t columns, float* c,
                          std::int64_t ldc, bool add) {
  const Strips strips = row_strips<UnitF32>(packed);
  for (std::int64_t s = 0; s < strips.count && strips.start(s) < rows; ++s) {
    const std::int64_t row = strips.start(s);
    for (std::int64_t j = 0; j < columns; j += kNR)
      left.micro.entry[strips.width(s)](left.data + row * left.row_step, right + j * right_k, k,
                                        c + row * ldc + j, ldc, add);
  }
}

// Of a task of the forward; the most where heads alone keep the threads busy.
inline constexpr std::int64_t kTaskQueries = 4 * kQueries, kMostQueries = 16 * kQueries;

// Do tasks that last equally long keep all threads busy?
GT_INLINE bool fill_threads(const CpuQueue& queue, std::int64_t tasks) {
  return tasks % queue.pool.threads() == 0 || tasks >= 4 * queue.pool.threads();
}

GT_INLINE void clear(float* p, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kLanes) store(p + i, f32x16{});
}

// sum_d a[d] b[d]
template <class T>
GT_INLINE float dot(const T* a, const T* b, std::int64_t d) {
  f32x16 sum{};
  for_lanes(d, [&](auto lanes, std::int64_t j)
                   GT_BODY { sum = fma(lanes.get(a + j), lanes.get(b + j), sum); });
  return reduce_add(sum);
}

GT_INLINE std::int64_t padded_columns(std::int64_t n) {
  return blocks_of(n, kNR) * kNR;
}

template <class T>
struct UnitOf;
template <>
struct UnitOf<float> {
  using type = UnitF32;
};
template <>
struct UnitOf<bf16> {
  using type = UnitBf16;
};
template <>
struct UnitOf<f16> {
  using type = UnitF16;
};

// Rows [t, t + n) of one head.
template <class T>
GT_INLINE T* rows_of(const Heads& x, std::int64_t b, std::int64_t h, std::int64_t t) {
  return static_cast<T*>(x.data) + b * x.b_step + h * x.h_step + t * x.t_step;
}

// (n, D) rows as a left side (rows, D).
template <class T>
void pack_left(const T* rows, std::int64_t step, std::int64_t n, std::int64_t d, float* to) {
  const Strips strips = row_strips<UnitF32>(n);
  pack(typename UnitOf<T>::type{}, Operand{rows, step, 1}, strips, d, to);
}
// (n, D) rows as a right side (D, n): their transpose.
template <class T>
void pack_right_transposed(const T* rows, std::int64_t step, std::int64_t n, std::int64_t d,
                           float* to) {
  const Strips strips = column_strips(n);
  pack(typename UnitOf<T>::type{}, Operand{rows, step, 1}, strips, d, to);
}
// (n, D) rows as a right side (n, D).
template <class T>
void pack_right(const T* rows, std::int64_t step, std::int64_t n, std::int64_t d, float* to) {
  const Strips strips = column_strips(d);
  pack(typename UnitOf<T>::type{}, Operand{rows, 1, step}, strips, n, to);
}

// A worker's memory, cut into arrays one after the other, each aligned to a cache line.
struct Carve {
  float* next;
  GT_INLINE float* take(std::int64_t n) {
    float* p = next;
    next += padded(n);
    return p;
  }
};

GT_ISA_END
