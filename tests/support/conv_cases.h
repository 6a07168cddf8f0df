// The cases of convolutions, group norm and changes of resolution, for op_cases.h.
#pragma once

#include "support/op_case.h"

namespace gigatrain::test {

// Images: tiny ones with odd sizes, wider ones, or, for the benchmark, those of a ResNet's first
// stage.
struct ImageSizes {
  std::int64_t n = 2, c = 4, out = 6, h = 5, w = 4;
  explicit ImageSizes(const Sizes& s) {
    if (s.t >= 1024)
      n = 8, c = 64, out = 64, h = 56, w = 56;
    else if (s.t >= 128)
      n = 3, c = 40, out = 48, h = 12, w = 16;
    else if (s.t >= 16)
      w = 16;
  }
  Shape images() const { return {n, c, h, w}; }
};

inline OpCase conv2d_case(const std::string& name, const ImageSizes& s, std::int64_t kh,
                          std::int64_t kw, const ops::Conv2dOptions& o, std::int64_t out,
                          bool bias) {
  std::vector<Input> inputs{{s.images()}, {{out, s.c / o.groups, kh, kw}}};
  if (bias) inputs.push_back({{out}, true});
  const auto size = [&](std::int64_t in, std::int64_t k, std::size_t d) {
    return (in + 2 * o.padding[d] - o.dilation[d] * (k - 1) - 1) / o.stride[d] + 1;
  };
  const std::int64_t pixels = s.n * size(s.h, kh, 0) * size(s.w, kw, 1);
  return {"conv2d" + name, inputs,
          [=](const Tensors& in) {
            return Tensors{ops::conv2d(in[0], in[1], bias ? in[2] : Tensor{}, o)};
          },
          [=](const Tensors& in) {
            return Tensors{ops::composed::conv2d(in[0], in[1], bias ? in[2] : Tensor{}, o)};
          },
          2.0 * static_cast<double>(pixels * out * (s.c / o.groups) * kh * kw)};
}

inline OpCase conv1d_case(const ImageSizes& s) {
  const ops::Conv1dOptions o{.stride = 2, .padding = 3, .dilation = 2};
  return {"conv1d",
          {{{s.n, s.c, s.h * s.w}}, {{s.out, s.c, 3}}, {{s.out}, true}},
          [o](const Tensors& in) { return Tensors{ops::conv1d(in[0], in[1], in[2], o)}; },
          [o](const Tensors& in) { return Tensors{ops::composed::conv1d(in[0], in[1], in[2], o)}; },
          3.0 * static_cast<double>(s.n * s.h * s.w * s.out * s.c)};
}

inline OpCase group_norm_case(const ImageSizes& s, bool bias) {
  std::vector<Input> inputs{{s.images()}, {{s.c}, true, 1.0}};
  if (bias) inputs.push_back({{s.c}, true});
  const std::int64_t groups = s.c >= 64 ? 32 : 2;
  return {
      std::string("group_norm") + (bias ? "" : " no bias"), inputs,
      [=](const Tensors& in) {
        return Tensors{ops::group_norm(in[0], groups, in[1], bias ? in[2] : Tensor{})};
      },
      [=](const Tensors& in) {
        return Tensors{ops::composed::group_norm(in[0], groups, in[1], bias ? in[2] : Tensor{})};
      }};
}

inline std::vector<OpCase> conv_cases(const Sizes& sizes) {
  const ImageSizes s(sizes);
  const Input even{{s.n, s.c, s.h / 2 * 2, s.w}};
  return {
      conv2d_case(" 3x3", s, 3, 3, {.padding = {1, 1}}, s.out, true),
      conv2d_case(" strides, dilations, two groups", s, 2, 3,
                  {.stride = {2, 3}, .padding = {2, 1}, .dilation = {3, 1}, .groups = 2}, s.out,
                  true),
      conv2d_case(" depthwise", s, 3, 2, {.padding = {1, 0}, .groups = s.c}, s.c, false),
      conv2d_case(" 1x1", s, 1, 1, {}, s.out, true),
      conv2d_case(" 1x1, stride 2", s, 1, 1, {.stride = {2, 2}}, s.out, false),
      conv1d_case(s),
      group_norm_case(s, true),
      group_norm_case(s, false),
      {"avg_pool2d",
       {even},
       [](const Tensors& in) { return Tensors{ops::avg_pool2d(in[0], 2)}; },
       {}},
      {"upsample_nearest2d",
       {even},
       [](const Tensors& in) { return Tensors{ops::upsample_nearest2d(in[0], 2)}; },
       {}},
  };
}

}  // namespace gigatrain::test
