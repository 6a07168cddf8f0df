// Embedding on the CPU: see kernels/embedding.h. The backward first sorts the places of the tokens
// by token (a counting sort, so places stay in ascending order); then each task owns some rows and
// columns of the table and adds up what belongs to them: no atomics, one order.
#include "kernels/embedding.h"

#include "kernels/cpu/dropout_mask.h"
#include "kernels/cpu/work.h"
#include "kernels/streamed.h"

GT_ISA_BEGIN
namespace {

// A table's values as a T holds them.
template <class T, class Table>
GT_INLINE f32x16 as_held(f32x16 v) {
  if constexpr (std::is_same_v<T, Table>) return v;
  return rounded_to_bf16(v);
}

template <class T, class Table>
void forward_row(const EmbeddingForward& a, std::int64_t row, std::int64_t n, float* buffer) {
  const std::int64_t t = row % a.tokens.cols();
  const auto* table = a.table.as<Table>() + a.tokens.as<std::int32_t>()[row] * n;
  const auto* position =
      a.positions ? a.positions.as<Table>() + (a.first_position + t) * n : nullptr;
  const float* factor = a.dropout ? dropout_row(a.dropout, row, n, 0, n, buffer) : nullptr;
  T* out = a.out.as<T>() + row * n;
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    f32x16 v = as_held<T, Table>(lanes.get(table + i));
    if (position) v += as_held<T, Table>(lanes.get(position + i));
    lanes.put(out + i, factor ? apply_dropout(v, lanes.get(factor + i)) : v);
  });
}

template <class T, class Table = T>
void forward(CpuQueue& queue, const EmbeddingForward& a) {
  const std::int64_t n = a.table.cols(), floats = a.dropout ? dropout_row_floats(n) : 0;
  const Scratch masks(queue, floats * 4 * queue.pool.threads(), "embedding.dropout");
  for_blocks(queue, a.tokens.numel(), kRowBlock,
             [&](std::int64_t begin, std::int64_t end, int worker) {
               for (std::int64_t row = begin; row < end; ++row)
                 forward_row<T, Table>(a, row, n, masks.as<float>() + worker * floats);
             });
}

// sum[0, n) += columns [first, first + n) of row `row` of dropout'(dout).
template <class T>
void add_row(const EmbeddingBackward& a, std::int64_t row, std::int64_t first, std::int64_t n,
             float* sum) {
  const std::int64_t columns = a.dout.cols();
  const T* dout = a.dout.as<T>() + row * columns + first;
  float buffer[kColumns + 64];
  const float* factor =
      a.dropout ? dropout_row(a.dropout, row, columns, first, n, buffer) : nullptr;
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 d = lanes.get(dout + i);
    lanes.put(sum + i, lanes.get(sum + i) + (factor ? apply_dropout(d, lanes.get(factor + i)) : d));
  });
}

GT_INLINE void finish(float* out, const float* sum, std::int64_t n, bool accumulate) {
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 s = lanes.get(sum + i);
    lanes.put(out + i, accumulate ? lanes.get(out + i) + s : s);
  });
}

// Nothing was added to these n elements.
GT_INLINE void finish_empty(float* out, std::int64_t n, bool accumulate, bool streamed) {
  if (accumulate) return;
  const f32x16 zero{};
  for (std::int64_t i = 0; streamed && i < n; i += kLanes) stream(out + i, zero);
  if (!streamed) __builtin_memset(out, 0, static_cast<std::size_t>(n) * sizeof(float));
}

// Whole vectors in every row, and so in every group of columns.
bool streams(const TensorView& table) {
  return is_streamed(table.bytes()) && table.cols() % kLanes == 0 &&
         reinterpret_cast<std::uintptr_t>(table.data) % sizeof(f32x16) == 0;
}

// body(row, first column, columns) for every row and every group of columns of a gradient: a task
// has kRowBlock rows and one group.
template <class Body>
GT_INLINE void for_table(CpuQueue& queue, std::int64_t rows, std::int64_t columns,
                         const Body& body) {
  const std::int64_t groups = blocks_of(columns, kColumns);
  queue.pool.parallel_for(blocks_of(rows, kRowBlock) * groups, [&](std::int64_t task, int) {
    const std::int64_t first = task % groups * kColumns, begin = task / groups * kRowBlock;
    for (std::int64_t row = begin; row < smaller(rows, begin + kRowBlock); ++row)
      body(row, first, smaller(kColumns, columns - first));
    stream_end();
  });
}

// start[v] ... start[v + 1]: the part of `order` with the places of token v.
void sort_places(const std::int32_t* tokens, std::int64_t n, std::int64_t vocabulary,
                 std::int32_t* start, std::int32_t* order) {
  __builtin_memset(start, 0, static_cast<std::size_t>(vocabulary + 2) * sizeof(std::int32_t));
  for (std::int64_t i = 0; i < n; ++i) ++start[tokens[i] + 2];
  for (std::int64_t v = 2; v < vocabulary + 2; ++v) start[v] += start[v - 1];
  for (std::int64_t i = 0; i < n; ++i) order[start[tokens[i] + 1]++] = static_cast<std::int32_t>(i);
}

template <class T>
void table_gradient(CpuQueue& queue, const EmbeddingBackward& a) {
  const std::int64_t places = a.tokens.numel(), rows = a.dtable.rows(), columns = a.dtable.cols();
  const Scratch index(queue, (rows + 2 + places) * 4, "embedding.order");
  if (queue.pool.dry()) return;
  std::int32_t *start = index.as<std::int32_t>(), *order = start + rows + 2;
  sort_places(a.tokens.as<std::int32_t>(), places, rows, start, order);
  const bool streamed = streams(a.dtable);
  for_table(queue, rows, columns, [&](std::int64_t row, std::int64_t first, std::int64_t n) {
    float* out = a.dtable.as<float>() + row * columns + first;
    if (start[row] == start[row + 1]) return finish_empty(out, n, a.accumulate_table, streamed);
    float sum[kColumns] = {};
    for (std::int32_t i = start[row]; i < start[row + 1]; ++i)
      add_row<T>(a, order[i], first, n, sum);
    finish(out, sum, n, a.accumulate_table);
  });
}

template <class T>
void position_gradient(CpuQueue& queue, const EmbeddingBackward& a) {
  const std::int64_t length = a.tokens.cols(), batch = a.tokens.rows();
  const std::int64_t rows = a.dpositions.rows(), columns = a.dpositions.cols();
  for_table(queue, rows, columns, [&](std::int64_t row, std::int64_t first, std::int64_t n) {
    const std::int64_t t = row - a.first_position;
    float* out = a.dpositions.as<float>() + row * columns + first;
    if (t < 0 || t >= length) return finish_empty(out, n, a.accumulate_positions, false);
    float sum[kColumns] = {};
    for (std::int64_t b = 0; b < batch; ++b) add_row<T>(a, b * length + t, first, n, sum);
    finish(out, sum, n, a.accumulate_positions);
  });
}

}  // namespace

void run(CpuQueue& queue, const EmbeddingForward& args) {
  if (args.out.dtype == DType::bf16 && args.table.dtype == DType::f32)
    return forward<bf16, float>(queue, args);
  with_activation_type(args.kName, args.out.dtype,
                       [&](auto type) { forward<decltype(type)>(queue, args); });
}

void run(CpuQueue& queue, const EmbeddingBackward& args) {
  with_activation_type(args.kName, args.dout.dtype, [&](auto type) {
    if (args.dtable) table_gradient<decltype(type)>(queue, args);
    if (args.dpositions) position_gradient<decltype(type)>(queue, args);
  });
}

GT_ISA_END

GT_CPU_KERNEL(EmbeddingForward)
GT_CPU_KERNEL(EmbeddingBackward)
