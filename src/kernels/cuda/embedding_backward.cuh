// The gradients of the embedding's tables on the GPU: kernels/embedding.h. The places of the batch
// are sorted by token; then a warp has a row of dtable and a group of its columns, zeroes them or
// adds up the row's tokens. So dtable is written once and dout read once.
//
// A row that more than kSegment places name, such as that of a frequent word, is first summed in
// segments of kSegment places, a warp each, and then over segments, all in ascending order.
#pragma once

#include <type_traits>

#include "kernels/cuda/embedding.cuh"
#include "kernels/cuda/token_sort.cuh"

namespace gigatrain::kernels::cuda {

inline constexpr std::int32_t kSegment = 64;

// Where the sum of a segment is kept. A segment starts at number i of the sorted places, as the
// first of its row or as a later one; of each kind at most one starts among kSegment consecutive
// places, since only rows of more than kSegment places have segments.
GT_DEVICE std::int64_t segment_slot(std::int32_t i, bool first) {
  return i / kSegment * 2 + (first ? 1 : 0);
}

// dropout'(dout), (B T, C). Without dropout the kernels need half the registers.
template <class T, int N, bool kDropout>
struct OutputGradient {
  using Element = T;
  static constexpr int kPack = N;
  static constexpr int kBatch = 4;  // rows that are loaded before the first is added
  const T* dout;
  std::int64_t columns;
  DropoutArgs dropout;

  // sum += rows row_of(i), from `column` on, for i in [begin, end) in ascending order.
  template <class RowOf>
  GT_DEVICE void add_rows(std::int32_t begin, std::int32_t end, std::int64_t column,
                          const RowOf& row_of, float (&sum)[N]) const {
    for (std::int32_t first = begin; first < end; first += kBatch) {
      std::int64_t row[kBatch];
      Pack<T, N> packs[kBatch];
      GT_UNROLL
      for (int b = 0; b < kBatch; ++b) row[b] = row_of(first + b < end ? first + b : first);
      GT_UNROLL
      for (int b = 0; b < kBatch; ++b) packs[b] = load_pack<N>(dout + row[b] * columns + column);
      GT_UNROLL
      for (int b = 0; b < kBatch; ++b)
        if (first + b < end) add(packs[b], row[b], column, sum);
    }
  }
  GT_DEVICE void add(const Pack<T, N>& pack, std::int64_t row, std::int64_t column,
                     float (&sum)[N]) const {
    float v[N];
    GT_UNROLL
    for (int i = 0; i < N; ++i) v[i] = to_float(pack.v[i]);
    if constexpr (kDropout) drop(dropout, dropout_row(dropout, row, columns), column, v);
    GT_UNROLL
    for (int i = 0; i < N; ++i) sum[i] += v[i];
  }
};

template <int N>
GT_DEVICE void write_sum(float* to, float (&sum)[N], bool accumulate) {
  if (accumulate) {
    float old[N];
    load_wide<N>(to, old);
    GT_UNROLL
    for (int i = 0; i < N; ++i) sum[i] = old[i] + sum[i];
  }
  store_wide<N>(to, sum);
}

// partials (slots, C): the sums of segments. A warp looks for its slot's segment among kSegment
// places.
template <class Gradient>
struct SegmentSumsKernel {
  static constexpr int kThreads = kEmbeddingThreads;
  static constexpr int N = Gradient::kPack;
  struct Shared {};
  RowGroups<N> slots;
  Gradient gradient;
  const std::int32_t *keys, *places, *start;
  std::int64_t n;
  std::int32_t vocabulary;
  float* partials;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const auto at = slots.place(cta);
    int found = -1;  // as a distance from the slot's first place
    GT_UNROLL
    for (int k = 0; k < kSegment; k += kWarp)
      if (starts_segment(at.row, at.row / 2 * kSegment + k + cta.lane())) found = k + cta.lane();
    found = warp_max(cta, found);
    if (found < 0 || !slots.has(at)) return;
    const auto begin = static_cast<std::int32_t>(at.row / 2 * kSegment + found);
    const std::int32_t row_end = start[keys[begin] + 1];
    const std::int32_t end = row_end - begin > kSegment ? begin + kSegment : row_end;
    float sum[N] = {};
    gradient.add_rows(
        begin, end, at.column, [&](std::int32_t i) { return places[i]; }, sum);
    store_wide<N>(partials + at.row * slots.columns + at.column, sum);
  }

  // Does the segment of this slot start at place i?
  GT_DEVICE bool starts_segment(std::int64_t slot, std::int64_t i) const {
    if (i >= n || keys[i] >= vocabulary) return false;
    const std::int32_t begin = start[keys[i]], end = start[keys[i] + 1];
    const auto at = static_cast<std::int32_t>(i);
    return end - begin > kSegment && (at - begin) % kSegment == 0 &&
           segment_slot(at, at == begin) == slot;
  }
};

template <class Gradient>
struct TableGradientKernel {
  static constexpr int kThreads = kEmbeddingThreads;
  static constexpr int N = Gradient::kPack;
  // With f16 and dropout sm_80 would spill.
  static constexpr int kMinBlocks = std::is_same_v<typename Gradient::Element, f16> ? 1 : 0;
  struct Shared {};
  RowGroups<N> rows;
  Gradient gradient;
  const std::int32_t *places, *start;
  const float* partials;
  float* dtable;
  bool accumulate;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const auto at = rows.place(cta);
    if (!rows.has(at)) return;
    const std::int32_t begin = start[at.row], end = start[at.row + 1];
    if (begin == end && accumulate) return;
    float sum[N] = {};
    if (end - begin <= kSegment)
      gradient.add_rows(
          begin, end, at.column, [&](std::int32_t i) { return places[i]; }, sum);
    else
      add_segments(begin, end, at.column, sum);
    write_sum<N>(dtable + at.row * rows.columns + at.column, sum, accumulate);
  }
  GT_DEVICE void add_segments(std::int32_t begin, std::int32_t end, std::int64_t column,
                              float (&sum)[N]) const {
    for (std::int32_t i = begin; i < end; i += kSegment) {
      float part[N];
      load_wide<N>(partials + segment_slot(i, i == begin) * rows.columns + column, part);
      GT_UNROLL
      for (int k = 0; k < N; ++k) sum[k] += part[k];
    }
  }
};

// dpositions: row `first_position` + t is the sum over samples b, ascending.
template <class Gradient>
struct PositionGradientKernel {
  static constexpr int kThreads = kEmbeddingThreads;
  static constexpr int N = Gradient::kPack;
  struct Shared {};
  RowGroups<N> rows;
  Gradient gradient;
  std::int32_t batch;
  std::int64_t length, first_position;
  float* dpositions;
  bool accumulate;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const auto at = rows.place(cta);
    if (!rows.has(at)) return;
    const std::int64_t t = at.row - first_position;
    const std::int32_t named = t >= 0 && t < length ? batch : 0;
    if (named == 0 && accumulate) return;
    float sum[N] = {};
    gradient.add_rows(
        0, named, at.column, [&](std::int32_t b) { return b * length + t; }, sum);
    write_sum<N>(dpositions + at.row * rows.columns + at.column, sum, accumulate);
  }
};

template <class Gradient, class Queue>
void launch_table_gradient(Queue& queue, const EmbeddingBackward& a, const Gradient& gradient) {
  const std::int64_t n = a.tokens.numel(), vocabulary = a.dtable.rows(), columns = a.dtable.cols();
  const SortedTokens sorted = sort_tokens(queue, a.tokens.as<std::int32_t>(), n, vocabulary);
  const RowGroups<Gradient::kPack> slots{.rows = 2 * blocks_for(n, kSegment), .columns = columns};
  const RowGroups<Gradient::kPack> rows{.rows = vocabulary, .columns = columns};
  const Storage memory = queue.scratch(slots.rows * columns * 4, "embedding.segments");
  auto* const partials = static_cast<float*>(memory.data());
  queue.launch(SegmentSumsKernel<Gradient>{.slots = slots,
                                           .gradient = gradient,
                                           .keys = sorted.keys,
                                           .places = sorted.places,
                                           .start = sorted.start,
                                           .n = n,
                                           .vocabulary = static_cast<std::int32_t>(vocabulary),
                                           .partials = partials},
               {.x = slots.blocks()});
  queue.launch(TableGradientKernel<Gradient>{.rows = rows,
                                             .gradient = gradient,
                                             .places = sorted.places,
                                             .start = sorted.start,
                                             .partials = partials,
                                             .dtable = a.dtable.as<float>(),
                                             .accumulate = a.accumulate_table},
               {.x = rows.blocks()});
}

template <class Gradient, class Queue>
void launch_position_gradient(Queue& queue, const EmbeddingBackward& a, const Gradient& gradient) {
  const RowGroups<Gradient::kPack> rows{.rows = a.dpositions.rows(),
                                        .columns = a.dpositions.cols()};
  queue.launch(PositionGradientKernel<Gradient>{.rows = rows,
                                                .gradient = gradient,
                                                .batch = static_cast<std::int32_t>(a.tokens.rows()),
                                                .length = a.tokens.cols(),
                                                .first_position = a.first_position,
                                                .dpositions = a.dpositions.as<float>(),
                                                .accumulate = a.accumulate_positions},
               {.x = rows.blocks()});
}

template <class Gradient, class Queue>
void launch_gradients(Queue& queue, const EmbeddingBackward& a) {
  const Gradient gradient{.dout = a.dout.as<typename Gradient::Element>(),
                          .columns = a.dout.cols(),
                          .dropout = a.dropout};
  if (a.dtable) launch_table_gradient(queue, a, gradient);
  if (a.dpositions) launch_position_gradient(queue, a, gradient);
}

template <class Queue>
void launch(Queue& queue, const EmbeddingBackward& a) {
  with_activation_type(a.kName, a.dout.dtype, [&](auto type) {
    using T = decltype(type);
    const bool packs = packs_fit<T>(a.dout.cols(), {a.dout.data, a.dtable.data, a.dpositions.data});
    with_width<T>(packs, [&](auto width) {
      constexpr int N = decltype(width)::value;
      if (a.dropout) return launch_gradients<OutputGradient<T, N, true>>(queue, a);
      launch_gradients<OutputGradient<T, N, false>>(queue, a);
    });
  });
}

}  // namespace gigatrain::kernels::cuda
