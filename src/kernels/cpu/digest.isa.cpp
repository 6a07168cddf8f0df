// The state digest on the CPU: see kernels/reduce.h and base/hash.h. Within a chunk the 60-bit
// mixes are added as two halves of 32 and 28 bits, which cannot overflow, and reduced once.
#include "gigatrain/base/hash.h"
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

template <class Bits>
std::uint64_t digest_chunk(const Bits* x, std::uint64_t index, std::int64_t n) {
  std::uint64_t low = 0, high = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint64_t z = digest_mix(index + static_cast<std::uint64_t>(i), x[i]);
    low += z & 0xffffffffu;
    high += z >> 32;
  }
  return reduce(low, high);
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
