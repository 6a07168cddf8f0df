// Every file beside this one whose name ends in `.isa.cpp` is compiled once per class of vector
// code (base, avx2, avx512), each time with GT_ISA naming the class. Its code lives in
// gigatrain::kernels::GT_ISA, and it ends with one line per kernel,
//
//     GT_CPU_KERNEL(GeluForward)
//
// which, in the base build, also defines the public `run(CpuQueue&, const GeluForward&)` that picks
// the class at run time. So that no inline function compiled with wide instructions can be picked
// by the linker for an older machine, these files use raw pointers and our own types only, no
// standard containers or algorithms, and keep every helper inside GT_ISA or an unnamed namespace
// (scripts/check_isa_symbols.sh verifies it on the objects).
#pragma once

#include "gigatrain/runtime/stream.h"

#ifndef GT_ISA
#error "a .isa.cpp file must be compiled with -DGT_ISA=<class>; see src/kernels/CMakeLists.txt"
#endif

#define GT_ISA_BEGIN             \
  namespace gigatrain::kernels { \
  namespace GT_ISA {
#define GT_ISA_END \
  }                \
  }

#if defined(GT_ISA_IS_BASE)
#if defined(__x86_64__)
#define GT_CPU_KERNEL(Args)                     \
  namespace gigatrain::kernels {                \
  namespace avx2 {                              \
  void run(CpuQueue& queue, const Args& args);  \
  }                                             \
  namespace avx512 {                            \
  void run(CpuQueue& queue, const Args& args);  \
  }                                             \
  void run(CpuQueue& queue, const Args& args) { \
    switch (queue.isa) {                        \
      case Isa::avx512:                         \
        return avx512::run(queue, args);        \
      case Isa::avx2:                           \
        return avx2::run(queue, args);          \
      case Isa::base:                           \
        return base::run(queue, args);          \
    }                                           \
  }                                             \
  }
#else
#define GT_CPU_KERNEL(Args)                     \
  namespace gigatrain::kernels {                \
  void run(CpuQueue& queue, const Args& args) { \
    return base::run(queue, args);              \
  }                                             \
  }
#endif
#else
#define GT_CPU_KERNEL(Args)
#endif
