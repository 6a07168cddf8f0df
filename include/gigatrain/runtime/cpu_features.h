// What this processor can do, and which class of vector code we run on it.
#pragma once

#include <string>

namespace gigatrain {

// Each CPU kernel is compiled once a class. f32 results are the same bits in every class, since all
// of them use the same 16-lane arithmetic; bf16 products differ where the hardware has its own.
enum class Isa { base, avx2, avx512 };

const char* name(Isa isa);

// What multiplies bf16: f32 arithmetic on widened values, AVX512_BF16's pairs, or AMX's tiles. Each
// has bits of its own.
enum class Bf16Products { widened, avx512_bf16, amx };

const char* name(Bf16Products products);

struct CpuFeatures {
  Isa best = Isa::base;
  Bf16Products bf16 = Bf16Products::widened;  // the fastest; every one before it is here too
  std::string model;                          // "AMD EPYC 9R14", from the operating system
  int cores = 1;                              // that this process may run on

  static const CpuFeatures& get();  // read once
};

}  // namespace gigatrain
