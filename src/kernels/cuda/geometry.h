// What a kernel's geometry is written with, beside its functor in a .cuh: choosing element type and
// width, counting blocks, taking workspace. `Queue` is CudaQueue, the SIMT machine's, or the dry
// one that plans memory; each has
//
//   queue.launch(kernel, Grid{x, y});                 // runs a functor, in order
//   Storage s = queue.scratch(bytes, "op.what");      // workspace, free again once s is gone
#pragma once

#include <cstdint>

#include "gigatrain/base/integers.h"
#include "gigatrain/base/tensor_view.h"
#include "gigatrain/runtime/storage.h"
#include "kernels/cuda/cta.cuh"
#include "runtime/cuda/grid.h"

namespace gigatrain::kernels::cuda {

constexpr std::int64_t blocks_for(std::int64_t n, std::int64_t each) {
  return ceil_div(n, each);
}

// Throws Error(unsupported) that names the kernel: the op's own checks should have caught it.
[[noreturn]] void unsupported_dtype(const char* kernel, DType dtype);

// f(T{}) with the element type of an activation: f32, bf16 or f16.
template <class F>
void with_activation_type(const char* kernel, DType dtype, const F& f) {
  if (dtype == DType::f32) return f(float{});
  if (dtype == DType::bf16) return f(bf16{});
  if (dtype == DType::f16) return f(f16{});
  unsupported_dtype(kernel, dtype);
}
// ... or f64, in basic ops.
template <class F>
void with_floating_type(const char* kernel, DType dtype, const F& f) {
  if (dtype == DType::f64) return f(double{});
  with_activation_type(kernel, dtype, f);
}
// f(T{}) if the elements are integers; returns whether they are.
template <class F>
bool with_integer_type(DType dtype, const F& f) {
  if (dtype == DType::u8) return f(std::uint8_t{}), true;
  if (dtype == DType::i32) return f(std::int32_t{}), true;
  if (dtype == DType::i64) return f(std::int64_t{}), true;
  return false;
}

template <int N>
struct Width {
  static constexpr int value = N;
};

// May rows of `cols` elements of T that start at these pointers be read in packs of 16 bytes? Null
// pointers do not count.
template <class T>
bool packs_fit(std::int64_t cols, std::initializer_list<const void*> pointers) {
  if (cols % kPack<T> != 0) return false;
  for (const void* p : pointers)
    if (reinterpret_cast<std::uintptr_t>(p) % 16 != 0) return false;
  return true;
}
// f(Width<N>{}): N = kPack<T> when packs fit, else 1.
template <class T, class F>
void with_width(bool packs, const F& f) {
  if (packs) return f(Width<kPack<T>>{});
  f(Width<1>{});
}

}  // namespace gigatrain::kernels::cuda
