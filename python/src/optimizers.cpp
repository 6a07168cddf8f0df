// The optimizers of gigatrain.optim. Each keeps alive what it updates.

#include "optimizers.h"

#include "gigatrain/optim/adafactor.h"
#include "gigatrain/optim/adamw.h"
#include "gigatrain/optim/adamw8bit.h"
#include "gigatrain/optim/lion.h"
#include "gigatrain/optim/muon.h"
#include "gigatrain/optim/sgd.h"

namespace gigatrain::python {

namespace {

using optim::Optimizer;

constexpr const char* kParameters =
    "parameters: a layer, parameters (matrices decay, vectors do not), or ParameterGroups "
    "(weight_decay is then theirs). seed: of stochastic rounding, for weights without an f32 "
    "master. Raises InvalidArgument for what is frozen or no parameter.";

template <class T>
void bind_adamw(py::module_& m, const char* name, const char* doc) {
  const optim::AdamWOptions a;
  py::classh<T, Optimizer>(m, name, doc)
      .def(py::init([name](const py::object& parameters, float weight_decay, float beta1,
                           float beta2, float eps, std::uint64_t seed) {
             return make<T>(parameters, name,
                            optim::AdamWOptions{weight_decay, beta1, beta2, eps, seed});
           }),
           py::arg("parameters"), py::kw_only(), py::arg("weight_decay") = a.weight_decay,
           py::arg("beta1") = a.beta1, py::arg("beta2") = a.beta2, py::arg("eps") = a.eps,
           py::arg("seed") = a.seed, kParameters);
}

void bind_sgd(py::module_& m) {
  const optim::SgdOptions s;
  py::classh<optim::Sgd, Optimizer>(
      m, "Sgd", "Stochastic gradient descent with (Nesterov) momentum (Sutskever et al., 2013).")
      .def(py::init([](const py::object& parameters, float momentum, bool nesterov,
                       float weight_decay, bool decoupled, std::uint64_t seed) {
             return make<optim::Sgd>(
                 parameters, "Sgd",
                 optim::SgdOptions{momentum, nesterov, weight_decay, decoupled, seed});
           }),
           py::arg("parameters"), py::kw_only(), py::arg("momentum") = s.momentum,
           py::arg("nesterov") = s.nesterov, py::arg("weight_decay") = s.weight_decay,
           py::arg("decoupled") = s.decoupled, py::arg("seed") = s.seed, kParameters);
}

void bind_lion(py::module_& m) {
  const optim::LionOptions l;
  py::classh<optim::Lion, Optimizer>(m, "Lion", "Chen et al., arXiv:2302.06675.")
      .def(py::init([](const py::object& parameters, float weight_decay, float beta1, float beta2,
                       std::uint64_t seed) {
             return make<optim::Lion>(parameters, "Lion",
                                      optim::LionOptions{weight_decay, beta1, beta2, seed});
           }),
           py::arg("parameters"), py::kw_only(), py::arg("weight_decay") = l.weight_decay,
           py::arg("beta1") = l.beta1, py::arg("beta2") = l.beta2, py::arg("seed") = l.seed,
           kParameters);
}

void bind_muon(py::module_& m) {
  const optim::MuonOptions u;
  py::classh<optim::Muon, Optimizer>(
      m, "Muon",
      "Momentum made orthogonal by five Newton-Schulz steps, for hidden matrices "
      "(https://kellerjordan.github.io/posts/muon); scaled as in arXiv:2502.16982, so that AdamW's "
      "learning rates and decays serve it too. All else is AdamW's.")
      .def(py::init([](const py::object& parameters, float weight_decay, float momentum,
                       bool nesterov, const std::vector<std::string>& adamw_names, float beta1,
                       float beta2, float eps, std::uint64_t seed) {
             return make<optim::Muon>(
                 parameters, "Muon",
                 optim::MuonOptions{weight_decay,
                                    momentum,
                                    nesterov,
                                    adamw_names,
                                    {.beta1 = beta1, .beta2 = beta2, .eps = eps, .seed = seed}});
           }),
           py::arg("parameters"), py::kw_only(), py::arg("weight_decay") = u.weight_decay,
           py::arg("momentum") = u.momentum, py::arg("nesterov") = u.nesterov,
           py::arg("adamw_names") = u.adamw_names, py::arg("beta1") = u.adamw.beta1,
           py::arg("beta2") = u.adamw.beta2, py::arg("eps") = u.adamw.eps,
           py::arg("seed") = u.adamw.seed,
           (std::string(
                "adamw_names: patterns (see GroupRule) of matrices that are AdamW's, as vectors "
                "are: embeddings and heads. beta1, beta2, eps: AdamW's. ") +
            kParameters)
               .c_str());
}

void bind_adafactor(py::module_& m) {
  const optim::AdafactorOptions f;
  py::classh<optim::Adafactor, Optimizer>(
      m, "Adafactor",
      "Shazeer and Stern, arXiv:1804.04235, without momentum: of the second moment of a matrix, "
      "the means of its rows and columns alone are kept.")
      .def(
          py::init([](const py::object& parameters, float weight_decay, float eps1, float eps2,
                      float threshold, float decay_power, bool scale_parameter, bool relative_step,
                      std::uint64_t seed) {
            return make<optim::Adafactor>(
                parameters, "Adafactor",
                optim::AdafactorOptions{weight_decay, eps1, eps2, threshold, decay_power,
                                        scale_parameter, relative_step, seed});
          }),
          py::arg("parameters"), py::kw_only(), py::arg("weight_decay") = f.weight_decay,
          py::arg("eps1") = f.eps1, py::arg("eps2") = f.eps2, py::arg("threshold") = f.threshold,
          py::arg("decay_power") = f.decay_power, py::arg("scale_parameter") = f.scale_parameter,
          py::arg("relative_step") = f.relative_step, py::arg("seed") = f.seed,
          (std::string(
               "eps1: added to squared gradients. eps2: least size of a weight. threshold: largest "
               "root mean square of an update. decay_power: means decay by 1 - step^-decay_power. "
               "scale_parameter: the rate is multiplied by the root mean square of the weights. "
               "relative_step: the rate is min(0.01, 1 / sqrt(step)), not the step's. ") +
           kParameters)
              .c_str());
}

}  // namespace

void bind_optimizers(py::module_& m) {
  bind_groups(m);
  bind_adamw<optim::AdamW>(
      m, "AdamW",
      "Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101.");
  bind_adamw<optim::AdamW8bit>(
      m, "AdamW8bit",
      "AdamW with its moments in 8 bits, by blocks of 256 (arXiv:2110.02861): about 2 bytes of "
      "state a weight in place of 8. Parameters below 4096 elements keep f32 moments.");
  bind_sgd(m);
  bind_lion(m);
  bind_muon(m);
  bind_adafactor(m);
  bind_make_optimizer(m);
}

}  // namespace gigatrain::python
