// Changes of resolution, composed: means of windows, and repeated pixels.

#include <fmt/format.h>

#include "gigatrain/ops/ops.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

void check_images(const char* op, const char* what, const Tensor& x, std::int64_t by) {
  require_floating(op, "x", x);
  require(x.shape().dims() == 4, op,
          fmt::format("x must be (N, C, H, W), got {}", x.shape().str()));
  require(by >= 1, op, fmt::format("{} must be at least 1, got {}", what, by));
}

}  // namespace

Tensor avg_pool2d(const Tensor& x, std::int64_t size) {
  check_images("avg_pool2d", "size", x, size);
  const Shape& s = x.shape();
  require(
      s[2] % size == 0 && s[3] % size == 0, "avg_pool2d",
      fmt::format("H and W must be multiples of {}, got {}; slice the rest off", size, s.str()));
  const std::int64_t h = s[2] / size, w = s[3] / size;
  const Tensor windows = reshape(x, {s[0] * s[1], h, size, w, size});
  return reshape(mean(windows, {2, 4}), {s[0], s[1], h, w});
}

Tensor upsample_nearest2d(const Tensor& x, std::int64_t factor) {
  check_images("upsample_nearest2d", "factor", x, factor);
  const Shape& s = x.shape();
  const Tensor ones = Tensor::full(x.device(), {factor, 1, factor}, 1.0, x.dtype());
  const Tensor pixels = reshape(x, {s[0] * s[1], s[2], 1, s[3], 1});
  return reshape(mul(pixels, ones), {s[0], s[1], factor * s[2], factor * s[3]});
}

}  // namespace gigatrain::ops
