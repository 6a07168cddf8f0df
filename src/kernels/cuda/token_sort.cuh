// Places of a batch sorted by their token, for the gradient of a table that tokens index: a stable
// radix sort of kDigitBits a pass, so the places of a token stay in ascending order.
//
// Nothing is counted by atomics: a thread of a block owns a digit, and goes through the block's
// tile of kTile keys in order. For 65,536 tokens of a vocabulary of 50,257 that is 2 passes over
// 128 tiles, small beside the gradient itself.
#pragma once

#include "kernels/cuda/geometry.h"

namespace gigatrain::kernels::cuda {

inline constexpr int kDigitBits = 9;
inline constexpr int kDigits = 1 << kDigitBits;
inline constexpr int kTile = kDigits;  // keys of a block, one a thread

// Keys and the places they came from. A token outside [0, end) has the key `end`, after all others.
struct SortKeys {
  const std::int32_t* keys;
  const std::int32_t* places;  // or null: 0, 1, 2, ...
  std::int32_t n, end;
  int shift;  // of this pass's digit

  GT_DEVICE std::int32_t key(std::int64_t i) const {
    const auto token = static_cast<std::uint32_t>(keys[i]);  // a negative one is large
    return token < static_cast<std::uint32_t>(end) ? static_cast<std::int32_t>(token) : end;
  }
  // Digits of tile `tile`; -1 past the end.
  GT_DEVICE std::int32_t digit(std::int64_t i) const {
    return i < n ? (key(i) >> shift) & (kDigits - 1) : -1;
  }
};

struct alignas(16) TileDigits {
  std::int32_t digit[kTile];

  // found(e) for each element e of the tile that has the digit, in ascending order.
  template <class Found>
  GT_DEVICE void for_each(std::int32_t wanted, const Found& found) const {
    for (int e = 0; e < kTile; e += 4) {
      const Pack<std::int32_t, 4> pack = load_pack<4>(digit + e);
      GT_UNROLL
      for (int k = 0; k < 4; ++k)
        if (pack.v[k] == wanted) found(e + k);
    }
  }
};

// counts (tiles, digits): keys of a tile with a digit.
struct CountDigitsKernel {
  static constexpr int kThreads = kDigits;
  struct Shared {
    TileDigits tile;
  };
  SortKeys keys;
  std::int32_t* counts;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    s.tile.digit[cta.thread()] = keys.digit(cta.block() * kTile + cta.thread());
    cta.sync();
    std::int32_t count = 0;
    s.tile.for_each(cta.thread(), [&](int) { ++count; });
    counts[cta.block() * kDigits + cta.thread()] = count;
  }
};

// counts become offsets: keys of a smaller digit, or of this digit in an earlier tile. One block; a
// digit's tiles are in two halves, with a thread each.
struct DigitOffsetsKernel {
  static constexpr int kThreads = 2 * kDigits;
  static constexpr int kBatch = 8;  // counts that a thread loads before it uses the first
  struct Shared {
    std::int32_t halves[2][kDigits];
    std::int32_t totals[kDigits];
  };
  std::int32_t* counts;
  std::int64_t tiles;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const int digit = cta.thread() % kDigits, half = cta.thread() / kDigits;
    const std::int64_t middle = (tiles + 1) / 2;
    const std::int64_t begin = half ? middle : 0, end = half ? tiles : middle;
    std::int32_t sum = 0;
    for_counts(digit, begin, end, [&](std::int32_t&, std::int32_t count) { sum += count; });
    s.halves[half][digit] = sum;
    cta.sync();
    const std::int32_t total = s.halves[0][digit] + s.halves[1][digit];
    const std::int32_t before = scan(cta, s, digit, half, total) - total;
    std::int32_t next = before + (half ? s.halves[0][digit] : 0);
    for_counts(digit, begin, end, [&](std::int32_t& slot, std::int32_t count) {
      slot = next;
      next += count;
    });
  }

  template <class Body>
  GT_DEVICE void for_counts(int digit, std::int64_t begin, std::int64_t end,
                            const Body& body) const {
    for (std::int64_t t = begin; t < end; t += kBatch) {
      std::int32_t count[kBatch];
      GT_UNROLL
      for (int b = 0; b < kBatch; ++b)
        count[b] = t + b < end ? counts[(t + b) * kDigits + digit] : 0;
      GT_UNROLL
      for (int b = 0; b < kBatch; ++b)
        if (t + b < end) body(counts[(t + b) * kDigits + digit], count[b]);
    }
  }

  // The sum of the totals of digits up to this one.
  template <class Cta>
  GT_DEVICE std::int32_t scan(Cta& cta, Shared& s, int digit, int half, std::int32_t total) const {
    if (half == 0) s.totals[digit] = total;
    cta.sync();
    for (int step = 1; step < kDigits; step *= 2) {
      total += digit >= step ? s.totals[digit - step] : 0;
      cta.sync();
      if (half == 0) s.totals[digit] = total;
      cta.sync();
    }
    return total;
  }
};

// Moves each key and its place to where they belong by this digit.
struct MoveKeysKernel {
  static constexpr int kThreads = kDigits;
  struct Shared {
    TileDigits tile;
    std::int32_t target[kTile];
  };
  SortKeys keys;
  const std::int32_t* offsets;
  std::int32_t *keys_out, *places_out;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t i = cta.block() * kTile + cta.thread();
    s.tile.digit[cta.thread()] = keys.digit(i);
    cta.sync();
    std::int32_t next = offsets[cta.block() * kDigits + cta.thread()];
    s.tile.for_each(cta.thread(), [&](int e) { s.target[e] = next++; });
    cta.sync();
    if (i >= keys.n) return;
    const std::int32_t to = s.target[cta.thread()];
    keys_out[to] = keys.key(i);
    places_out[to] = keys.places ? keys.places[i] : static_cast<std::int32_t>(i);
  }
};

// start[v], v in [0, end]: the first of the sorted keys that is not less than v.
struct TokenStartsKernel {
  static constexpr int kThreads = 128;
  struct Shared {};
  const std::int32_t* keys;
  std::int32_t* start;
  std::int32_t n, end;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t v = cta.block() * kThreads + cta.thread();
    if (v > end) return;
    std::int32_t low = 0, high = n;
    while (low < high) {
      const std::int32_t middle = low + (high - low) / 2;
      if (keys[middle] < v)
        low = middle + 1;
      else
        high = middle;
    }
    start[v] = low;
  }
};

struct SortedTokens {
  Storage memory;  // of what follows
  const std::int32_t* keys = nullptr;
  const std::int32_t* places = nullptr;
  const std::int32_t* start = nullptr;  // (end + 1)
};

template <class Queue>
SortedTokens sort_tokens(Queue& queue, const std::int32_t* tokens, std::int64_t n,
                         std::int64_t end) {
  const std::int64_t tiles = blocks_for(n, kTile);
  const std::int64_t integers = 4 * n + tiles * kDigits + end + 1;
  SortedTokens sorted{.memory = queue.scratch(integers * 4, "embedding.sort")};
  auto* const buffers =
      static_cast<std::int32_t*>(sorted.memory.data());  // (2, keys and places, n)
  std::int32_t *const counts = buffers + 4 * n, *const start = counts + tiles * kDigits;
  SortKeys from{.keys = tokens,
                .places = nullptr,
                .n = static_cast<std::int32_t>(n),
                .end = static_cast<std::int32_t>(end),
                .shift = 0};
  for (int pass = 0; pass == 0 || end >> from.shift > 0; ++pass) {
    std::int32_t *const keys = buffers + pass % 2 * 2 * n, *const places = keys + n;
    queue.launch(CountDigitsKernel{.keys = from, .counts = counts}, {.x = tiles});
    queue.launch(DigitOffsetsKernel{.counts = counts, .tiles = tiles}, {});
    queue.launch(
        MoveKeysKernel{.keys = from, .offsets = counts, .keys_out = keys, .places_out = places},
        {.x = tiles});
    from.keys = keys;
    from.places = places;
    from.shift += kDigitBits;
  }
  queue.launch(TokenStartsKernel{.keys = from.keys, .start = start, .n = from.n, .end = from.end},
               {.x = blocks_for(end + 1, TokenStartsKernel::kThreads)});
  sorted.keys = from.keys;
  sorted.places = from.places;
  sorted.start = start;
  return sorted;
}

}  // namespace gigatrain::kernels::cuda
