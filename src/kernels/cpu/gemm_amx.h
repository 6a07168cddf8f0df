// The micro-kernel in AMX's tiles: a block of 32 x 32 of C in four tiles, thirty-two k at a time.
//
//   tmm0..3 += A (two tiles of 16 rows x 32 k) B (two tiles of 32 k x 16 columns)
//
// One instruction adds, for each element of C, the sum over its even k and the sum over its odd k,
// both in ascending order, to the running sum (Intel, Architecture Instruction Set Extensions,
// TDPBF16PS; it rounds to nearest even, and subnormals count as zero). The running sum of a block
// goes on over all of K, so a result depends on K only.
#pragma once

#include "kernels/cpu/vec.h"

#if defined(__AVX512F__) && defined(__linux__)
#define GT_AMX 1

#include <immintrin.h>

GT_ISA_BEGIN

inline constexpr std::int64_t kTileUnits = 16;  // pairs of k that a tile holds
inline constexpr std::int64_t kTileRow = 16;    // rows of a tile, f32 of a row of C's

#define GT_TILES __attribute__((target("amx-tile,amx-bf16"), noinline))

// What lies in the eight tile registers; each thread says so before it uses them, and that it is
// done, so that the system need not keep them.
struct TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};  // of a row
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

class Tiles {
 public:
  GT_TILES Tiles() {
    alignas(64) static constexpr TileConfig kConfig{};
    _tile_loadconfig(&kConfig);
  }
  GT_TILES ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

// The intrinsics do not say that they read memory.
#define GT_MEMORY_BARRIER __asm__ volatile("" ::: "memory")

// C (32 x 32) = or += A B. A: units / 16 blocks of 32 rows of 16 units. B: `units` rows of 32.
GT_TILES inline void micro_tiles(const float* a, const float* b, std::int64_t units, float* c,
                                 std::int64_t ldc, bool add) {
  constexpr long kA = 64, kB = 128;  // bytes from row to row
  const long row = static_cast<long>(ldc) * 4;
  float* lower = c + kTileRow * ldc;
  GT_MEMORY_BARRIER;
  if (add) {
    _tile_loadd(0, c, row);
    _tile_loadd(1, c + kTileRow, row);
    _tile_loadd(2, lower, row);
    _tile_loadd(3, lower + kTileRow, row);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  // While sums are made, the block that is written at the end is fetched; or, as this one began
  // with what stood in C, the block beside it.
  const char* ahead = reinterpret_cast<const char*>(add ? c + 2 * kTileRow : c);
  for (std::int64_t u = 0, i = 0; u < units; u += kTileUnits, a += 512, b += 512) {
    for (const std::int64_t end = i + 2; i < end && i < 2 * kTileRow; ++i, ahead += row) {
      __builtin_prefetch(ahead, 1);
      __builtin_prefetch(ahead + kTileRow * 4, 1);
    }
    _tile_loadd(4, a, kA);
    _tile_loadd(6, b, kB);
    _tile_loadd(7, b + 16, kB);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, a + 256, kA);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, row);
  _tile_stored(1, c + kTileRow, row);
  _tile_stored(2, lower, row);
  _tile_stored(3, lower + kTileRow, row);
  GT_MEMORY_BARRIER;
}

GT_ISA_END

#endif
