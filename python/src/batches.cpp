// Batches and where they come from: arrays, a Python function, token shards.

#include <pybind11/numpy.h>

#include <cstring>
#include <map>

#include "gigatrain/train/array_source.h"
#include "gigatrain/train/function_source.h"
#include "gigatrain/train/token_source.h"
#include "nn.h"

namespace gigatrain::python {

namespace {

// The array as a contiguous one; shared with numpy when it is one already.
NamedArray named_array(const std::string& name, const py::object& data) {
  const py::object numpy = py::module_::import("numpy");
  const auto a = numpy.attr("ascontiguousarray")(data).cast<py::array>();
  Shape shape;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) shape.push_back(a.shape(i));
  return {name, dtype_of_array(a), shape, a.data(), std::make_shared<Held>(a)};
}

std::shared_ptr<ArraySource> array_source(const std::map<std::string, py::object>& arrays,
                                          std::int64_t global_batch, std::uint64_t seed,
                                          const std::string& terms) {
  std::vector<NamedArray> named;
  for (const auto& [name, data] : arrays) named.push_back(named_array(name, data));
  const py::gil_scoped_release unlocked;
  return std::make_shared<ArraySource>(
      std::move(named),
      ArraySourceOptions{.global_batch = global_batch, .seed = seed, .terms = terms});
}

// Copies one field that the function returned, after a look at its dtype and shape.
void copy_field(const nn::FieldSpec& field, std::int64_t count, const py::dict& made, void* to) {
  if (!made.contains(field.name.c_str()))
    throw Error(ErrorCode::invalid_argument,
                "the source's function must return the field '" + field.name + "'");
  const NamedArray a = named_array(field.name, made[field.name.c_str()]);
  const Shape wanted = field.batched(count);
  if (a.dtype != field.dtype || !(a.shape == wanted))
    throw Error(ErrorCode::invalid_argument,
                "field '" + field.name + "' must be " + name(field.dtype) + " of shape " +
                    wanted.str() + ", got " + name(a.dtype) + " of shape " + a.shape.str());
  std::memcpy(to, a.data, static_cast<std::size_t>(count * field.bytes()));
}

FillFunction fill_by(const py::object& function, const std::vector<nn::FieldSpec>& fields) {
  return [held = std::make_shared<Held>(function), fields](std::int64_t step, std::int64_t first,
                                                           std::int64_t count, FieldPointers out) {
    const py::gil_scoped_acquire lock;
    const py::object result = held->get()(step, first, count);
    if (!py::isinstance<py::dict>(result))
      throw py::type_error("the source's function must return {field: array}, got " +
                           std::string(py::str(py::type::of(result).attr("__name__"))));
    for (std::size_t i = 0; i < fields.size(); ++i)
      copy_field(fields[i], count, py::dict(result), out[i]);
  };
}

using FieldTypes = std::map<std::string, std::pair<DType, Shape>>;

std::shared_ptr<FunctionSource> function_source(const py::object& function,
                                                const FieldTypes& fields, const std::string& name,
                                                std::int64_t global_batch, const std::string& terms,
                                                std::int64_t eval_samples) {
  std::vector<nn::FieldSpec> specs;
  for (const auto& [field, type] : fields) specs.push_back({field, type.first, type.second});
  return std::make_shared<FunctionSource>(fill_by(function, specs),
                                          FunctionSourceOptions{.name = name,
                                                                .fields = specs,
                                                                .global_batch = global_batch,
                                                                .terms = terms,
                                                                .eval_samples = eval_samples});
}

void bind_batch(py::module_& m) {
  py::class_<nn::Batch>(m, "Batch", "Tensors with names; dim 0 is the sample. batch[\"x\"].")
      .def(py::init([](const std::map<std::string, Tensor>& fields) {
             nn::Batch b;
             for (const auto& [name, tensor] : fields) b.add(name, tensor);
             return b;
           }),
           py::arg("fields"), "From {name: tensor} with equal numbers of samples.")
      .def("__getitem__", &nn::Batch::at, py::arg("name"))
      .def("__contains__", &nn::Batch::has, py::arg("name"))
      .def_property_readonly("samples", &nn::Batch::samples, "How many there are.")
      .def(
          "keys",
          [](const nn::Batch& b) {
            std::vector<std::string> out;
            for (const auto& [name, tensor] : b.fields()) out.push_back(name);
            return out;
          },
          "Names of the fields.")
      .def("slice", &nn::Batch::slice, Unlocked(), py::arg("begin"), py::arg("end"),
           "Samples [begin, end), as views.");
}

void bind_token_source(py::module_& m) {
  py::classh<TokenSource, BatchSource>(
      m, "TokenSource",
      "Windows of seq_len + 1 consecutive tokens of shards: fields \"tokens\" and \"targets\", "
      "(seq_len) i32 each. Every epoch takes every window once, in an order of its own.")
      .def(py::init([](const std::vector<std::string>& paths, std::int64_t seq_len,
                       std::int64_t global_batch, std::uint64_t seed, std::int64_t vocab_size,
                       const std::string& split) {
             return std::make_shared<TokenSource>(paths,
                                                  TokenSourceOptions{.seq_len = seq_len,
                                                                     .global_batch = global_batch,
                                                                     .seed = seed,
                                                                     .vocab_size = vocab_size,
                                                                     .split = split});
           }),
           Unlocked(), py::arg("paths"), py::kw_only(), py::arg("seq_len") = 256,
           py::arg("global_batch") = 1, py::arg("seed") = 0, py::arg("vocab_size") = 0,
           py::arg("split") = "train",
           "paths: shard files, or folders for their <split>*.bin. vocab_size: ids must be below; "
           "0: "
           "not checked. Raises DataError on damaged shards.")
      .def_property_readonly("tokens", &TokenSource::tokens, "In all shards.")
      .def_property_readonly("seq_len", &TokenSource::seq_len, "Tokens of a sample.");
}

}  // namespace

void bind_batches(py::module_& m) {
  bind_batch(m);
  py::classh<BatchSource>(
      m, "BatchSource",
      "Batches as a pure function of the step. Nothing but the step is state, so "
      "a run continues anywhere with the same data.")
      .def_property_readonly("global_batch", &BatchSource::global_batch, "Samples of a step.")
      .def_property_readonly("digest", &BatchSource::digest, "Names the data: a 64-bit number.")
      .def_property_readonly("eval_samples", &BatchSource::eval_samples,
                             "Samples of an evaluation; 0: cannot be evaluated on.")
      .def(
          "batch_at",
          [](const BatchSource& source, std::int64_t step, Device* device, std::int64_t first,
             std::optional<std::int64_t> count) {
            Device& d = device_or_default(device);
            const std::int64_t samples = count.value_or(source.global_batch() - first);
            const py::gil_scoped_release unlocked;
            return source.batch_at(d, step, first, samples);
          },
          py::arg("step"), py::arg("device") = py::none(), py::kw_only(), py::arg("first") = 0,
          py::arg("count") = py::none(),
          "The batch of a step, from 0: all of it, or samples [first, first + count), such as a "
          "leaf's.");
  py::classh<ArraySource, BatchSource>(
      m, "ArraySource",
      "Batches from arrays whose dim 0 is the sample: images, tables, pairs. Every epoch takes "
      "every "
      "sample once, in an order that depends on (data, seed, epoch) only.")
      .def(py::init(&array_source), py::arg("arrays"), py::kw_only(), py::arg("global_batch"),
           py::arg("seed") = 0, py::arg("terms") = "",
           "arrays: {name: array}; contiguous ones are shared, not copied, and must not change. "
           "terms: the i32 field whose values that are not negative are the terms of the loss; "
           "\"\": one term a sample. Raises DataError on NaN or Inf.");
  py::classh<FunctionSource, BatchSource>(
      m, "FunctionSource",
      "Batches that a function makes: synthetic data, augmentation, a reader of your own.")
      .def(py::init(&function_source), py::arg("function"), py::arg("fields"), py::kw_only(),
           py::arg("name"), py::arg("global_batch"), py::arg("terms") = "",
           py::arg("eval_samples") = 0,
           "function(step, first_sample, count) -> {field: array} of samples [first_sample, "
           "first_sample + count) of a step; the same arguments must give the same values. fields: "
           "{name: (dtype, shape of a sample)}. name: what the function makes; change it when the "
           "data change. eval_samples: samples of step 0 that an evaluation sees.");
  bind_token_source(m);
}

}  // namespace gigatrain::python
