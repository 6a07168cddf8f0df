// Asking for memory ahead of a loop that also computes: the processor's own prefetching stops at
// each page, and its queue of instructions is too short to reach the next line by itself.
#pragma once

#include "kernels/cpu/vec.h"

GT_ISA_BEGIN

template <class T>
GT_INLINE void prefetch_far(const T* x) {
  __builtin_prefetch(reinterpret_cast<const char*>(x) + 4096);
}

GT_ISA_END
