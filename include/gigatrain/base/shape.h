// A tensor's sizes, outermost first; at most kMaxDims of them, stored inline.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace gigatrain {

inline constexpr int kMaxDims = 6;

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes);  // throws on negative sizes or too many dims

  int dims() const { return dims_; }
  std::int64_t operator[](int dim) const { return sizes_[index(dim)]; }  // -1 is the last
  std::int64_t& operator[](int dim) { return sizes_[index(dim)]; }
  std::int64_t numel() const;  // 1 for a scalar
  void push_back(std::int64_t size);
  std::string str() const;  // "(4, 128)"

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.dims_ != b.dims_) return false;
    for (int i = 0; i < a.dims_; ++i)
      if (a.sizes_[i] != b.sizes_[i]) return false;
    return true;
  }

 private:
  std::size_t index(int dim) const { return static_cast<std::size_t>(dim < 0 ? dim + dims_ : dim); }
  std::array<std::int64_t, kMaxDims> sizes_{};
  int dims_ = 0;
};

using Strides = std::array<std::int64_t, kMaxDims>;  // in elements, not bytes
Strides contiguous_strides(const Shape& shape);

}  // namespace gigatrain
