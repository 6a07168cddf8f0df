// Training states: their digest, and as a file.

#include "gigatrain/train/state_file.h"

#include "gigatrain/train/state_digest.h"
#include "nn.h"
#include "ranks.h"

namespace gigatrain::python {

void bind_state_file(py::module_& m) {
  m.def(
      "state_digest",
      [](nn::Layer& model, optim::Optimizer* optimizer, const py::object& ranks) {
        Communicator* group = communicator_of(ranks);
        const py::gil_scoped_release unlocked;
        return state_digest(nn::named_parameters(model), optimizer, group).hex();
      },
      py::arg("model"), py::arg("optimizer") = py::none(), py::kw_only(),
      py::arg("ranks") = py::none(),
      "One number, 16 hex digits, for all weights and optimizer state: equal states, equal bits. "
      "ranks: who share the state, each calling this (a Communicator or a DataParallel); the "
      "number is that of a rank alone.");
  m.def(
      "save_state",
      [](const std::string& path, nn::Layer& model, optim::Optimizer& optimizer, std::int64_t step,
         const py::object& ranks) {
        Communicator* group = communicator_of(ranks);
        const py::gil_scoped_release unlocked;
        save_state(path, model, optimizer, {.step = step, .ranks = group});
      },
      py::arg("path"), py::arg("model"), py::arg("optimizer"), py::kw_only(), py::arg("step") = 0,
      py::arg("ranks") = py::none(),
      "Weights and optimizer state as one safetensors file, replaced as a whole. step: done, for "
      "load_state(). ranks: who share the state, each calling this (a Communicator or a "
      "DataParallel). Any number of ranks, at any zero, continues from it with the same bits.");
  m.def(
      "load_state",
      [](const std::string& path, nn::Layer& model, optim::Optimizer& optimizer,
         const py::object& ranks) {
        Communicator* group = communicator_of(ranks);
        const py::gil_scoped_release unlocked;
        return load_state(path, model, optimizer, group);
      },
      py::arg("path"), py::arg("model"), py::arg("optimizer"), py::kw_only(),
      py::arg("ranks") = py::none(),
      "Overwrites weights and optimizer state with those of save_state(), and returns the step. "
      "Raises Corrupt for the file of another model or optimizer, or a damaged one.");
}

}  // namespace gigatrain::python
