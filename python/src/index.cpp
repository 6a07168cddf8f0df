// x[...] with ints, slices of step 1, None and Ellipsis: views where the memory allows.

#include "common.h"
#include "gigatrain/ops/ops.h"

namespace gigatrain::python {

namespace {

py::tuple as_tuple(const py::object& key) {
  return py::isinstance<py::tuple>(key) ? py::reinterpret_borrow<py::tuple>(key)
                                        : py::make_tuple(key);
}

bool is_ellipsis(const py::handle& k) {
  return k.ptr() == Py_Ellipsis;
}

int consumed_dims(const py::tuple& keys) {
  int n = 0;
  for (const auto& k : keys) n += !k.is_none() && !is_ellipsis(k);
  return n;
}

std::int64_t checked_index(std::int64_t i, std::int64_t size, int dim) {
  if (i < -size || i >= size)
    throw py::index_error("index " + std::to_string(i) + " is out of range for dim " +
                          std::to_string(dim) + " of size " + std::to_string(size));
  return i < 0 ? i + size : i;
}

Tensor cut(const Tensor& x, int dim, std::int64_t begin, std::int64_t end) {
  if (begin == 0 && end == x.shape()[dim]) return x;
  return ops::slice(x, dim, begin, end);
}

}  // namespace

Tensor index(const Tensor& x, const py::object& key) {
  const py::tuple keys = as_tuple(key);
  const int spare = x.shape().dims() - consumed_dims(keys);
  if (spare < 0) throw py::index_error("too many indices for a tensor of shape " + x.shape().str());
  Tensor y = x;
  Shape shape;  // of the result
  int dim = 0;
  for (const auto& k : keys) {
    if (k.is_none()) {
      shape.push_back(1);
    } else if (is_ellipsis(k)) {
      for (int i = 0; i < spare; ++i) shape.push_back(y.shape()[dim++]);
    } else if (py::isinstance<py::slice>(k)) {
      py::ssize_t begin = 0, end = 0, step = 0, length = 0;
      if (!py::reinterpret_borrow<py::slice>(k).compute(y.shape()[dim], &begin, &end, &step,
                                                        &length))
        throw py::error_already_set();
      if (step != 1)
        throw Error(ErrorCode::unsupported,
                    "a tensor's slices have step 1, got " + std::to_string(step),
                    "take rows with gather(), or slice the numpy array");
      y = cut(y, dim, begin, begin + length);
      shape.push_back(y.shape()[dim++]);
    } else if (PyIndex_Check(k.ptr())) {
      const auto i =
          checked_index(py::int_(py::reinterpret_borrow<py::object>(k)), y.shape()[dim], dim);
      y = cut(y, dim, i, i + 1);
      ++dim;
    } else {
      throw py::type_error("a tensor's index is made of ints, slices, None and ..., got " +
                           std::string(py::str(py::type::handle_of(k).attr("__name__"))));
    }
  }
  while (dim < y.shape().dims()) shape.push_back(y.shape()[dim++]);
  return shape == y.shape() ? y : ops::reshape(y, shape);
}

}  // namespace gigatrain::python
