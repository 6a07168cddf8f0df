// gigatrain.DataParallel for a user's own loop.

#include "data_parallel.h"

#include <algorithm>

#include "gigatrain/optim/make_optimizer.h"

namespace gigatrain::python {

namespace {

using parallel::LeafTurn;
using Whole = std::function<bool(const Parameter&)>;
using WholeArgument = std::variant<std::monostate, std::string, std::vector<std::string>>;

// `with dp.leaf(turn):`
struct LeafScope {
  SharedModel& model;
  LeafTurn turn;
  std::int64_t micro_batches;
};

Whole whole_for(const std::string& optimizer) {
  const auto& known = optim::optimizer_names();
  if (std::find(known.begin(), known.end(), optimizer) == known.end())
    throw Error(ErrorCode::invalid_argument, "whole: there is no optimizer '" + optimizer + "'",
                "give a name of gt.optim.optimizer_names(), or a list of parameters' names");
  return optim::whole_tensors({.name = optimizer});
}

Whole whole_of(const std::vector<std::string>& names, nn::Layer& model) {
  const auto all = nn::named_parameters(model);
  for (const auto& wanted : names)
    if (std::none_of(all.begin(), all.end(), [&](auto* p) { return p->name() == wanted; }))
      throw Error(ErrorCode::invalid_argument, "whole: the model has no parameter '" + wanted + "'",
                  "the names: [p.name for p in model.parameters()]");
  return [names](const Parameter& p) {
    return std::find(names.begin(), names.end(), p.name()) != names.end();
  };
}

std::shared_ptr<SharedModel> make(nn::Layer& model, std::shared_ptr<Ranks> ranks,
                                  std::int64_t leaves, int zero, const WholeArgument& whole,
                                  std::int64_t bucket_bytes, int ranks_per_node) {
  parallel::DataParallelOptions o{.leaves = leaves,
                                  .zero = zero,
                                  .bucket_bytes = bucket_bytes,
                                  .ranks_per_node = ranks_per_node};
  if (const auto* name = std::get_if<std::string>(&whole)) o.whole = whole_for(*name);
  if (const auto* names = std::get_if<std::vector<std::string>>(&whole))
    o.whole = whole_of(*names, model);
  const py::gil_scoped_release unlocked;
  return std::make_shared<SharedModel>(model, std::move(ranks), o);
}

void bind_leaves(py::module_& m) {
  py::class_<LeafTurn>(m, "LeafTurn", "A leaf of the step that this rank computes.")
      .def_readonly("leaf", &LeafTurn::leaf, "Its number, from 0 on: which samples it is.")
      .def_readonly("counts", &LeafTurn::counts,
                    "False: computed in step with the other ranks, which need this one, and then "
                    "forgotten.");
  py::class_<LeafScope>(m, "LeafScope", "with dp.leaf(turn): forward and backward of one leaf.")
      .def("__enter__",
           [](LeafScope& s) {
             const py::gil_scoped_release unlocked;
             s.model.begin_leaf(s.turn, s.micro_batches);
           })
      .def("__exit__", [](LeafScope& s, const py::object& raised, const py::args&) {
        if (!raised.is_none()) return;  // the step is broken off; begin_step() forgets it
        const py::gil_scoped_release unlocked;
        s.model.end_leaf();
      });
}

void bind_steps(py::classh<SharedModel>& c) {
  c.def("turns", &SharedModel::turns,
        "[LeafTurn] that this rank computes, in its order; the same in every step.")
      .def("begin_step", &SharedModel::begin_step, Unlocked(),
           "Drops the gradients of the step before, and what a step that raised has left.")
      .def(
          "leaf",
          [](SharedModel& s, const LeafTurn& turn, std::int64_t micro_batches) {
            return LeafScope{s, turn, micro_batches};
          },
          py::keep_alive<0, 1>(), py::arg("turn"), py::arg("micro_batches") = 1,
          "with dp.leaf(turn): one backward() for each of its micro-batches.")
      .def("finish", &SharedModel::finish, Unlocked(),
           "After all turns: each parameter's .grad is the step's gradient of what this rank "
           "updates.")
      .def(
          "clip", [](SharedModel& s, float max_norm) { return s.clip_scale(max_norm); }, Unlocked(),
          py::arg("max_norm"),
          "optim.clip() of the gradients of all ranks: {norm, factor}, the same on each.")
      .def(
          "step",
          [](SharedModel& s, optim::Optimizer& optimizer, std::int64_t step, float lr,
             const std::optional<Tensor>& clip) {
            s.require_fit(optimizer);
            s.step(optimizer, {.step = step, .lr = lr, .clip = or_none(clip)});
          },
          Unlocked(), py::arg("optimizer"), py::kw_only(), py::arg("step"), py::arg("lr"),
          py::arg("clip") = py::none(),
          "The optimizer's step on what is this rank's own; then the whole weights are brought "
          "together again. Arguments as of Optimizer.step().")
      .def("weights_changed", &SharedModel::weights_changed, Unlocked(),
           "Say so after weights were changed otherwise, on every rank.");
}

}  // namespace

void SharedModel::require_fit(const optim::Optimizer& optimizer) const {
  if (options().zero > 0 && std::string(optimizer.name()) == "custom")
    throw Error(ErrorCode::invalid_argument,
                "an optimizer written in Python updates whole parameters, and zero=" +
                    std::to_string(options().zero) + " leaves each rank a part of them",
                "DataParallel(..., zero=0), or an optimizer of gigatrain.optim");
}

void bind_data_parallel(py::module_& m) {
  bind_leaves(m);
  py::classh<SharedModel> c(
      m, "DataParallel", py::release_gil_before_calling_cpp_dtor(),
      "Ranks compute different leaves of a step and end with the same weights, the bits of one "
      "rank that computes them all. With ZeRO (Rajbhandari et al., arXiv:1910.02054) each keeps "
      "only its part of the optimizer state (zero=1), of the gradients too (2), of the weights too "
      "(3).\n\n"
      "    dp = gt.DataParallel(model, ranks, leaves=8, zero=2)\n"
      "    adamw = gt.optim.AdamW(model)                # after it\n"
      "    for step in range(1, steps + 1):\n"
      "        dp.begin_step()\n"
      "        for turn in dp.turns():\n"
      "            with dp.leaf(turn):\n"
      "                model.loss(batch_of(step, turn.leaf), scale).backward()\n"
      "        dp.finish()\n"
      "        dp.step(adamw, step=step, lr=1e-3, clip=dp.clip(1.0))\n\n"
      "Every rank makes the same calls in the same order. The model computes only while its "
      "DataParallel lives.");
  c.def(py::init(&make), py::arg("model"), py::arg("ranks"), py::kw_only(), py::arg("leaves"),
        py::arg("zero") = 0, py::arg("whole") = py::none(),
        py::arg("bucket_bytes") = parallel::DataParallelOptions{}.bucket_bytes,
        py::arg("ranks_per_node") = 0,
        "model: has its values, the same on every rank. leaves: of a step, a power of two, at "
        "least the number of ranks; part of the run, whatever the ranks. whole: what must not be "
        "cut: the name of an optimizer that looks at whole matrices (\"muon\", \"adafactor\"), or "
        "names of parameters. bucket_bytes: of gradients that move together. ranks_per_node: 0: "
        "all ranks are on one node. Raises InvalidArgument.");
  bind_steps(c);
}

}  // namespace gigatrain::python
