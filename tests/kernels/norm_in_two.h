// The gradient norm and the clip factor of tensors in the host's memory, by their two kernels.
#pragma once

#include "kernels/reduce.h"
#include "kernels/same_bits.h"

namespace gigatrain::kernels::testing {

inline std::vector<std::int64_t> chunks_of(const std::vector<NormTensor>& tensors) {
  std::vector<std::int64_t> counts;
  for (const auto& t : tensors) counts.push_back(scalar_chunks(t.numel));
  return counts;
}

inline std::vector<double> square_sums(Stream& stream, const std::vector<NormTensor>& tensors) {
  std::int64_t chunks = 0;
  for (const std::int64_t n : chunks_of(tensors)) chunks += n;
  std::vector<double> sums(static_cast<std::size_t>(chunks), 7.0);
  stream.submit(SquareSums{.tensors = tensors.data(),
                           .count = static_cast<std::int64_t>(tensors.size()),
                           .chunks = sums.data()});
  return sums;
}

// `norm`: its guard, max_norm and loss_scale.
inline Array<double> norm_in_two(Stream& stream, const std::vector<NormTensor>& tensors,
                                 NormOfChunks norm = {}) {
  const auto sums = square_sums(stream, tensors);
  const auto counts = chunks_of(tensors);
  Array<double> result({2}, 7.0);
  norm.chunks_of = counts.data();
  norm.count = static_cast<std::int64_t>(counts.size());
  norm.chunks = sums.data();
  norm.result = result.values.data();
  stream.submit(norm);
  return result;
}

// What ranks have who share the chunks of `tensors`: each a slice of every tensor, cut at whole
// chunks; and where the chunks of all tensors, in order, lie in that. Every second place is empty.
struct SharedChunks {
  std::vector<NormTensor> slices;
  std::vector<std::int64_t> order;

  SharedChunks(const std::vector<NormTensor>& tensors, int ranks) {
    std::int64_t all = 0;
    for (const std::int64_t n : chunks_of(tensors)) all += n;
    order.resize(static_cast<std::size_t>(all));
    std::int64_t lies = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      std::int64_t before = 0;
      for (const auto& t : tensors) {
        const std::int64_t chunks = scalar_chunks(t.numel), begin = chunks * rank / ranks,
                           end = chunks * (rank + 1) / ranks;
        for (std::int64_t c = begin; c < end; ++c)
          order[static_cast<std::size_t>(before + c)] = 2 * lies++;
        slices.push_back({t.data + begin * kScalarChunk,
                          std::min(end * kScalarChunk, t.numel) - begin * kScalarChunk});
        before += chunks;
      }
    }
  }
  Array<double> norm(Stream& stream, const std::vector<NormTensor>& tensors, float max_norm) const {
    const auto sums = square_sums(stream, slices);
    std::vector<double> places(2 * sums.size(), NAN);
    for (std::size_t i = 0; i < sums.size(); ++i) places[2 * i] = sums[i];
    const auto counts = chunks_of(tensors);
    Array<double> result({2}, 7.0);
    stream.submit(NormOfChunks{.chunks_of = counts.data(),
                               .count = static_cast<std::int64_t>(counts.size()),
                               .chunks = places.data(),
                               .order = order.data(),
                               .max_norm = max_norm,
                               .result = result.values.data()});
    return result;
  }
};

}  // namespace gigatrain::kernels::testing
