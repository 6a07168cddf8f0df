// gigatrain.nn.Model, whose loss may be written in Python, and the heads that make models of
// layers.

#include "gigatrain/nn/model.h"

#include "gigatrain/nn/heads.h"
#include "nn.h"

namespace gigatrain::python {

namespace {

class PyModel : public PyForward<nn::Model> {
 public:
  Tensor loss(const nn::Batch& batch, double scale, nn::BatchContext& context) override {
    return call("loss", "loss(self, batch, scale)", context, batch, scale);
  }
  Tensor predict(const nn::Batch& batch, nn::BatchContext& context) override {
    return call("predict", "predict(self, batch)", context, batch);
  }

 private:
  template <class... Args>
  Tensor call(const char* method, const char* signature, nn::BatchContext& context,
              const Args&... args) {
    const py::gil_scoped_acquire lock;
    const ContextScope scope(context);
    const py::object self = py::cast(static_cast<nn::Model*>(this));
    const py::function written = py::get_override(static_cast<const nn::Model*>(this), method);
    if (!written) not_written(self, signature);
    return tensor_result(written(args...), self, method);
  }
};

}  // namespace

void bind_model(py::module_& nn) {
  py::classh<nn::Model, nn::Layer, PyModel>(
      nn, "Model", py::dynamic_attr(),
      "What the Trainer needs of a layer: a loss of a batch. Derive as from Layer, and define\n\n"
      "    def loss(self, batch, scale): ...   # scale * the sum of the batch's loss terms\n"
      "    def predict(self, batch): ...       # optional: what a metric looks at")
      .def(py::init_alias<>())
      .def(
          "loss",
          [](nn::Model& model, const nn::Batch& batch, double scale, nn::BatchContext* context) {
            auto& c = context_or_current(context);
            const py::gil_scoped_release unlocked;
            return model.loss(batch, scale, c);
          },
          py::arg("batch"), py::arg("scale") = 1.0, py::arg("context") = py::none(),
          "scale * sum of the batch's loss terms, a scalar f32; the Trainer's scale is 1 / the "
          "step's number of terms.")
      .def(
          "predict",
          [](nn::Model& model, const nn::Batch& batch) {
            auto& c = context_or_current(nullptr);
            const py::gil_scoped_release unlocked;
            return model.predict(batch, c);
          },
          py::arg("batch"), "The output that a metric looks at: logits, values.");
  using Classify = nn::ClassificationHead;
  py::classh<Classify, nn::Model>(nn, "ClassificationHead",
                                  "Cross-entropy of linear(body(x)); one term a label, -1 ignored.")
      .def(py::init([](std::shared_ptr<nn::Layer> body, std::int64_t channels, std::int64_t classes,
                       const std::string& x, const std::string& label, double label_smoothing,
                       double z_loss) {
             return std::make_shared<Classify>(
                 std::move(body),
                 Classify::Options{.channels = channels,
                                   .classes = classes,
                                   .x = x,
                                   .label = label,
                                   .loss = {.label_smoothing = label_smoothing, .z_loss = z_loss}});
           }),
           py::arg("body"), py::kw_only(), py::arg("channels"), py::arg("classes"),
           py::arg("x") = "x", py::arg("label") = "label", py::arg("label_smoothing") = 0.0,
           py::arg("z_loss") = 0.0,
           "channels: of the body's output (B, ..., channels). x, label: fields of the batch; "
           "labels i32 (B, ...). label_smoothing, z_loss: as in cross_entropy().");
  using Regress = nn::RegressionHead;
  py::classh<Regress, nn::Model>(
      nn, "RegressionHead",
      "Mean over outputs of (prediction - target)^2, or of the Huber loss; "
      "one term a sample.")
      .def(py::init([](std::shared_ptr<nn::Layer> body, std::int64_t channels, std::int64_t outputs,
                       const std::string& x, const std::string& target, float huber_delta) {
             return std::make_shared<Regress>(std::move(body),
                                              Regress::Options{.channels = channels,
                                                               .outputs = outputs,
                                                               .x = x,
                                                               .target = target,
                                                               .huber_delta = huber_delta});
           }),
           py::arg("body"), py::kw_only(), py::arg("channels"), py::arg("outputs") = 1,
           py::arg("x") = "x", py::arg("target") = "target", py::arg("huber_delta") = 0.0f,
           "channels: of the body's output (B, channels). x, target: fields of the batch; target "
           "(B, outputs) or (B). huber_delta: where the Huber loss turns linear; 0: squares.");
}

}  // namespace gigatrain::python
