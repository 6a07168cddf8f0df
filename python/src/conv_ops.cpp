// Convolutions and changes of resolution.

#include <array>
#include <variant>

#include "common.h"
#include "gigatrain/ops/conv.h"

namespace gigatrain::python {

namespace {

using Two = std::array<std::int64_t, 2>;
using OneOrTwo = std::variant<std::int64_t, Two>;

Two two(const OneOrTwo& v) {
  if (const auto* one = std::get_if<std::int64_t>(&v)) return {*one, *one};
  return std::get<Two>(v);
}

}  // namespace

void bind_conv_ops(py::module_& m) {
  m.def(
      "conv1d",
      [](const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
         std::int64_t stride, std::int64_t padding, std::int64_t dilation, std::int64_t groups) {
        return ops::conv1d(x, weight, or_none(bias), {stride, padding, dilation, groups});
      },
      Unlocked(), py::arg("x"), py::arg("weight"), py::arg("bias") = py::none(), py::kw_only(),
      py::arg("stride") = 1, py::arg("padding") = 0, py::arg("dilation") = 1, py::arg("groups") = 1,
      "Cross-correlation over time: x (N, C, T), weight (Cout, C / groups, K), bias (Cout); result "
      "(N, Cout, T').");
  m.def(
      "conv2d",
      [](const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
         const OneOrTwo& stride, const OneOrTwo& padding, const OneOrTwo& dilation,
         std::int64_t groups) {
        return ops::conv2d(x, weight, or_none(bias),
                           {two(stride), two(padding), two(dilation), groups});
      },
      Unlocked(), py::arg("x"), py::arg("weight"), py::arg("bias") = py::none(), py::kw_only(),
      py::arg("stride") = 1, py::arg("padding") = 0, py::arg("dilation") = 1, py::arg("groups") = 1,
      "Cross-correlation of images: x (N, C, H, W), weight (Cout, C / groups, KH, KW), bias "
      "(Cout); "
      "result (N, Cout, H', W') with H' = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) "
      "+ "
      "1. Options: one number, or (of height, of width). groups = C: depthwise.");
  m.def(
      "avg_pool2d", &ops::avg_pool2d, Unlocked(), py::arg("x"), py::arg("size"),
      "Means of windows of size x size, side by side: (N, C, H, W) to (N, C, H / size, W / size).");
  m.def(
      "upsample_nearest2d", &ops::upsample_nearest2d, Unlocked(), py::arg("x"), py::arg("factor"),
      "Each pixel becomes factor x factor equal ones: (N, C, H, W) to (N, C, factor H, factor W).");
}

}  // namespace gigatrain::python
