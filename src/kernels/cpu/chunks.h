// Chunks of many tensors as the tasks of one call.
#pragma once

#include "kernels/cpu/work.h"

GT_ISA_BEGIN

// The tensor of a task: the last one whose first chunk is not after it.
GT_INLINE std::int64_t find_tensor(const std::int64_t* first, std::int64_t count,
                                   std::int64_t task) {
  std::int64_t low = 0, high = count;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (first[middle] <= task ? low : high) = middle;
  }
  return low;
}

// first[i]: the first chunk of at most kChunk elements of tensor i; returns how many all have.
template <class Args>
GT_INLINE std::int64_t number_chunks(const Args& args, std::int64_t* first) {
  std::int64_t chunks = 0;
  for (std::int64_t i = 0; i < args.count; ++i) {
    first[i] = chunks;
    chunks += blocks_of(args.tensors[i].numel, kChunk);
  }
  return chunks;
}

// body(tensor, begin, n, chunk) for each of the chunks that `first` numbers.
template <class Args, class Body>
GT_INLINE void for_chunks(CpuQueue& queue, const Args& args, const std::int64_t* first,
                          std::int64_t chunks, const Body& body) {
  queue.pool.parallel_for(chunks, [&](std::int64_t chunk, int) {
    const std::int64_t i = find_tensor(first, args.count, chunk);
    const std::int64_t begin = (chunk - first[i]) * kChunk;
    body(args.tensors[i], begin, smaller(kChunk, args.tensors[i].numel - begin), chunk);
  });
}
template <class Args, class Body>
GT_INLINE void for_chunks(CpuQueue& queue, const Args& args, const Body& body) {
  const Scratch table(queue, args.count * 8, "update.chunks");
  if (queue.pool.dry()) return;
  std::int64_t* first = table.as<std::int64_t>();
  const std::int64_t chunks = number_chunks(args, first);
  for_chunks(queue, args, first, chunks,
             [&](const auto& tensor, std::int64_t begin, std::int64_t n, std::int64_t)
                 GT_BODY { body(tensor, begin, n); });
}

GT_ISA_END
