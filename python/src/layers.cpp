// The layers of gigatrain.nn.

#include "gigatrain/nn/layers.h"

#include "nn.h"

namespace gigatrain::python {

void bind_layers(py::module_& m) {
  py::classh<nn::Linear, nn::Layer>(m, "Linear",
                                    "y = x W [+ b] [then GELU]; x (..., n_in), y (..., n_out).")
      .def(py::init([](std::int64_t n_in, std::int64_t n_out, bool bias, bool gelu,
                       const std::string& layout, float init_std) {
             return std::make_shared<nn::Linear>(nn::Linear::Options{.in = n_in,
                                                                     .out = n_out,
                                                                     .bias = bias,
                                                                     .layout = parse_layout(layout),
                                                                     .gelu = gelu,
                                                                     .init_std = init_std});
           }),
           py::arg("n_in"), py::arg("n_out"), py::kw_only(), py::arg("bias") = true,
           py::arg("gelu") = false, py::arg("layout") = "out_in", py::arg("init_std") = 0.02f,
           "Parameters weight (n_out, n_in), or (n_in, n_out) with layout \"in_out\", and bias "
           "(n_out).");
  py::classh<nn::LayerNorm, nn::Layer>(m, "LayerNorm",
                                       "Layer normalisation over the last dim, arXiv:1607.06450.")
      .def(py::init<std::int64_t, float, bool>(), py::arg("channels"), py::kw_only(),
           py::arg("eps") = 1e-5f, py::arg("bias") = true,
           "Parameters weight (channels) of ones and bias (channels) of zeros.");
  py::classh<nn::Embedding, nn::Layer>(m, "Embedding",
                                       "A table of vectors: (B, T) tokens i32 -> (B, T, C).")
      .def(py::init<std::int64_t, std::int64_t, float>(), py::arg("count"), py::arg("channels"),
           py::kw_only(), py::arg("init_std") = 0.02f, "Parameter weight (count, channels).")
      .def_property_readonly("weight", &nn::Embedding::weight, "The table's parameter.");
}

}  // namespace gigatrain::python
