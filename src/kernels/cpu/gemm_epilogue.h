// What is done to a finished block of a product while it is still in the first cache:
//
//   v [+ bias] -> [pre = v; v = gelu(v)] -> [v + onto[0] + onto[1] ...] -> C, rounded once if C is
//   16-bit
#pragma once

#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/work.h"
#include "kernels/gemm.h"

GT_ISA_BEGIN

// C and its companions for one batch of a product.
struct Epilogue {
  void *c = nullptr, *pre = nullptr;
  const float* bias = nullptr;
  std::int64_t c_row = 0, pre_row = 0;
  bool gelu = false, accumulate = false;
  const float* const* onto = nullptr;  // rows are apart as C's
  int onto_count = 0;
};

// `block` may be C itself.
template <class Out>
void finish_block(const Epilogue& e, std::int64_t row, std::int64_t column, std::int64_t rows,
                  std::int64_t columns, const float* block, std::int64_t ld) {
  for (std::int64_t i = 0; i < rows; ++i, block += ld) {
    Out* c = static_cast<Out*>(e.c) + (row + i) * e.c_row + column;
    Out* pre = e.pre ? static_cast<Out*>(e.pre) + (row + i) * e.pre_row + column : nullptr;
    for_lanes(columns, [&](auto lanes, std::int64_t j) GT_BODY {
      f32x16 v = lanes.get(block + j);
      if (e.bias) v += lanes.get(e.bias + column + j);
      if (pre) lanes.put(pre + j, v);
      if (e.gelu) v = gelu(v);
      for (int k = 0; k < e.onto_count; ++k)
        v += lanes.get(e.onto[k] + (row + i) * e.c_row + column + j);
      lanes.put(c + j, v);
    });
  }
}

GT_ISA_END
