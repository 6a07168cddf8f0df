// What this processor can do, and which class of vector code we run on it.
#pragma once

#include <string>

namespace gigatrain {

// Each CPU kernel is compiled once a class. f32 results are the same bits in every class, since all
// of them use the same 16-lane arithmetic; bf16 products differ where the hardware has its own.
enum class Isa { base, avx2, avx512 };

const char* name(Isa isa);

struct CpuFeatures {
  Isa best = Isa::base;
  bool avx512_bf16 = false;
  std::string model;  // "AMD EPYC 9R14", from the operating system
  int cores = 1;      // that this process may run on

  static const CpuFeatures& get();  // read once
};

}  // namespace gigatrain
