// The tensors of a SwiGLU: gate and up one after the other (2, N, F), or side by side (N, 2, F).
#pragma once

#include "kernels/same_bits.h"
#include "kernels/swiglu.h"

namespace gigatrain::kernels::testing {

template <class T>
struct SwigluCase {
  std::int64_t rows, f;
  bool packed;
  Array<T> x, dx, dy, y;  // x, dx: both gate and up

  SwigluCase(std::int64_t rows_, std::int64_t f_, bool packed_)
      : rows(rows_),
        f(f_),
        packed(packed_),
        x(random_array<T>({2 * rows * f}, 1, -6, 6)),
        dx({2 * rows * f}),
        dy(random_array<T>({rows, f}, 2)),
        y({rows, f}) {}

  SwigluForward forward() { return {.gate = half(x, 0), .up = half(x, 1), .y = y.view()}; }
  SwigluBackward backward() {
    return {.gate = half(x, 0),
            .up = half(x, 1),
            .dy = dy.view(),
            .dgate = half(dx, 0),
            .dup = half(dx, 1)};
  }

  double gate_at(const Array<T>& a, std::int64_t i) const { return a.at(at(i, 0)); }
  double up_at(const Array<T>& a, std::int64_t i) const { return a.at(at(i, 1)); }
  Array<T> gates(const Array<T>& a) const { return part(a, 0); }
  Array<T> ups(const Array<T>& a) const { return part(a, 1); }

 private:
  std::int64_t at(std::int64_t i, std::int64_t which) const {
    return packed ? i / f * 2 * f + which * f + i % f : which * rows * f + i;
  }
  TensorView half(Array<T>& a, std::int64_t which) const {
    TensorView v(a.values.data() + at(0, which), dtype_of<T>::value, {rows, f});
    if (packed) v.strides[0] = 2 * f;
    return v;
  }
  Array<T> part(const Array<T>& a, std::int64_t which) const {
    Array<T> p({rows, f});
    for (std::int64_t i = 0; i < p.size(); ++i)
      p[i] = a.values[static_cast<std::size_t>(at(i, which))];
    return p;
  }
};

}  // namespace gigatrain::kernels::testing
