// + - * / @ ** and the few methods that read better than functions. Python numbers become scalars
// of the tensor's dtype and device.
#pragma once

#include "common.h"

namespace gigatrain::python {

void bind_operators(py::class_<Tensor>& tensor);
void bind_methods(py::class_<Tensor>& tensor);

}  // namespace gigatrain::python
