// The extension module gigatrain._core. Every area has a file of its own.

#include "common.h"
#include "gigatrain/runtime/device.h"

namespace gigatrain::python {

Held::~Held() {
  if (!Py_IsInitialized()) return;  // the process is ending: the object went with the interpreter
  const py::gil_scoped_acquire lock;
  Py_DECREF(object_);
}

PYBIND11_MODULE(_core, m) {
  m.doc() = "gigatrain's C++ core";
  m.attr("__version__") = GIGATRAIN_VERSION;
  bind_errors(m);
  bind_device(m);
  bind_tensor(m);
  bind_array(m);
  bind_dlpack(m);
  bind_parameter(m);
  bind_tape(m);
  bind_function(m);
  bind_ops(m);
  bind_fused_ops(m);
  bind_norm_ops(m);
  bind_attention_ops(m);
  bind_conv_ops(m);
  bind_loss_ops(m);
  bind_element_ops(m);
  bind_batches(m);
  bind_nn(m);
  bind_optim(m);
  bind_config(m);
  bind_text(m);
  bind_ranks(m);
  bind_data_parallel(m);
  bind_debug(m);
  bind_trainer(m);
  bind_run(m);
  bind_report(m);
}

}  // namespace gigatrain::python
