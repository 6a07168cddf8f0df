// The state digest on the CPU: see kernels/reduce.h and base/hash.h. Within a chunk the 60-bit
// mixes, or sums of sixteen of them, are added as two halves, which cannot overflow, and reduced
// once.
#include "gigatrain/base/hash.h"
#include "kernels/cpu/ahead.h"
#include "kernels/cpu/work.h"
#include "kernels/reduce.h"

GT_ISA_BEGIN
namespace {

// low + 2^32 high modulo 2^61 - 1, for sums of at most kChunk terms: 2^61 = 1, so the part of
// 2^32 high above bit 61 is added back at the bottom.
GT_INLINE std::uint64_t reduce(std::uint64_t low, std::uint64_t high) {
  const std::uint64_t below = (high << 32) & kDigestPrime, above = high >> 29;
  return digest_add(digest_add(below, above), low);
}

// Sums of mixes in two halves.
struct Halves60 {
  std::uint64_t low = 0, high = 0;
};

#if defined(__AVX512DQ__)  // which multiplies 64 bits; elsewhere one element at a time is faster
constexpr std::int64_t kWide = 8;
typedef std::uint64_t u64x8 __attribute__((vector_size(8 * kWide)));

template <class Bits>
GT_INLINE u64x8 load_wide(const Bits* p) {
  typedef Bits Narrow __attribute__((vector_size(kWide * sizeof(Bits))));
  Narrow bits;
  std::memcpy(&bits, p, sizeof bits);
  return __builtin_convertvector(bits, u64x8);
}

// digest_mix of eight elements; `counter` is (index + 1) times its first constant.
GT_INLINE u64x8 mix(u64x8 counter, u64x8 bits) {
  u64x8 z = bits ^ counter;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) >> 4;
}

// Adds the first elements of a chunk, and returns how many.
template <class Bits>
std::int64_t add_wide(const Bits* x, std::uint64_t index, std::int64_t n, Halves60& sums) {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15u;
  constexpr std::int64_t kUnreduced = 16 * kWide;  // terms of 60 bits that 64 bits hold, each lane
  u64x8 counter, lows{}, highs{};
  for (std::int64_t l = 0; l < kWide; ++l)
    counter[l] = (index + static_cast<std::uint64_t>(l) + 1) * kStep;
  std::int64_t i = 0;
  for (; i + kUnreduced <= n; i += kUnreduced) {
    u64x8 sum{};
    for (std::int64_t j = 0; j < kUnreduced; j += kWide, counter += kWide * kStep) {
      prefetch_far(x + i + j);
      sum += mix(counter, load_wide(x + i + j));
    }
    lows += sum & 0xffffffffu, highs += sum >> 32;
  }
  for (std::int64_t l = 0; l < kWide; ++l) sums.low += lows[l], sums.high += highs[l];
  return i;
}
#else
template <class Bits>
std::int64_t add_wide(const Bits*, std::uint64_t, std::int64_t, Halves60&) {
  return 0;
}
#endif

template <class Bits>
std::uint64_t digest_chunk(const Bits* x, std::uint64_t index, std::int64_t n) {
  Halves60 sums;
  for (std::int64_t i = add_wide(x, index, n, sums); i < n; ++i) {
    const std::uint64_t z = digest_mix(index + static_cast<std::uint64_t>(i), x[i]);
    sums.low += z & 0xffffffffu;
    sums.high += z >> 32;
  }
  return reduce(sums.low, sums.high);
}

template <class Bits>
void digest(CpuQueue& queue, const Digest& a) {
  const std::int64_t n = a.x.numel(), chunks = blocks_of(n, kChunk);
  const Scratch partials(queue, chunks * 8, "digest.partials");
  std::uint64_t* parts = partials.as<std::uint64_t>();
  for_blocks(queue, n, kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    const std::uint64_t index = a.first_index + static_cast<std::uint64_t>(begin);
    parts[begin / kChunk] = digest_chunk(a.x.as<Bits>() + begin, index, end - begin);
  });
  if (queue.pool.dry()) return;
  std::uint64_t total = 0;
  for (std::int64_t i = 0; i < chunks; ++i) total = digest_add(total, parts[i]);
  *a.digest = total;
}

}  // namespace

void run(CpuQueue& queue, const Digest& args) {
  switch (args.x.dtype) {
    case DType::f64:
    case DType::i64:
      return digest<std::uint64_t>(queue, args);
    case DType::f32:
    case DType::i32:
      return digest<std::uint32_t>(queue, args);
    case DType::bf16:
    case DType::f16:
      return digest<std::uint16_t>(queue, args);
    case DType::u8:
      return digest<std::uint8_t>(queue, args);
  }
  unsupported_dtype(args.kName, args.x.dtype);
}

GT_ISA_END

GT_CPU_KERNEL(Digest)
