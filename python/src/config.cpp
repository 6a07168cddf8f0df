// Configurations: every section's keys come from train/config_fields.h, so a new key is here at
// once.

#include "gigatrain/train/config.h"

#include "common.h"
#include "gigatrain/train/config_fields.h"

namespace gigatrain::python {

namespace {

std::string describe(const Field& f) {
  std::string text(f.doc);
  if (!f.unit.empty()) text += " [" + std::string(f.unit) + "]";
  std::string choices;
  for (const auto c : f.choices) choices += (choices.empty() ? "" : ", ") + std::string(c);
  return choices.empty() ? text : text + "; one of " + choices;
}

bool is_keyword(const std::string& name) {
  return py::module_::import("keyword").attr("iskeyword")(name).cast<bool>();
}

// A member is found in every object of its section where it is in this one.
template <class Section>
void bind_section(py::module_& m, const char* name) {
  py::class_<Section> type(m, name,
                           "A section of a Config; keys, ranges: docs/reference.md. Keys that are "
                           "words of Python end in an "
                           "underscore: from_, async_.");
  Section example;
  visit_fields(example, [&](const Field& field, auto& member) {
    using T = std::remove_reference_t<decltype(member)>;
    const auto offset = reinterpret_cast<char*>(&member) - reinterpret_cast<char*>(&example);
    const auto at = [offset](const Section& s) {
      return reinterpret_cast<T*>(const_cast<char*>(reinterpret_cast<const char*>(&s) + offset));
    };
    std::string key(field.name);
    if (is_keyword(key)) key += "_";  // model.from_
    type.def_property(
        key.c_str(), [at](const Section& s) { return *at(s); },
        [at](Section& s, const T& value) { *at(s) = value; }, describe(field).c_str());
  });
}

}  // namespace

void bind_config(py::module_& m) {
  bind_section<RunConfig>(m, "RunConfig");
  bind_section<ModelConfig>(m, "ModelConfig");
  bind_section<DataConfig>(m, "DataConfig");
  bind_section<TrainConfig>(m, "TrainConfig");
  bind_section<OptimConfig>(m, "OptimConfig");
  bind_section<ScheduleConfig>(m, "ScheduleConfig");
  bind_section<ParallelConfig>(m, "ParallelConfig");
  bind_section<PrecisionConfig>(m, "PrecisionConfig");
  bind_section<CheckpointConfig>(m, "CheckpointConfig");
  bind_section<LogConfig>(m, "LogConfig");
  py::class_<Config>(m, "Config", "The configuration of a run, as `gigatrain train` reads it.")
      .def(py::init<>(), "Defaults; model, data.train and train.steps are required.")
      .def_readwrite("run", &Config::run, "[run]")
      .def_readwrite("model", &Config::model, "[model]")
      .def_readwrite("data", &Config::data, "[data]")
      .def_readwrite("train", &Config::train, "[train]")
      .def_readwrite("optim", &Config::optim, "[optim]")
      .def_readwrite("schedule", &Config::schedule, "[schedule]")
      .def_readwrite("parallel", &Config::parallel, "[parallel]")
      .def_readwrite("precision", &Config::precision, "[precision]")
      .def_readwrite("checkpoint", &Config::checkpoint, "[checkpoint]")
      .def_readwrite("log", &Config::log, "[log]")
      .def("to_toml", &to_toml, "Every key; parses back to the same values.")
      .def("to_json", &to_json, "Every key, as JSON.")
      .def("validate", &validate, "Raises InvalidArgument that lists everything that is broken.")
      .def("__repr__", [](const Config& c) { return "Config:\n" + to_toml(c); });
  m.def("load_config", &load_config, py::arg("path"),
        py::arg("overrides") = std::vector<std::string>{},
        "Reads a TOML file, then applies overrides \"section.key=value\" in order, and checks the "
        "result. Raises InvalidArgument that lists every problem with its place.");
  m.def("parse_config", &parse_config, py::arg("text"), py::arg("origin") = "<text>",
        py::arg("overrides") = std::vector<std::string>{},
        "load_config() of a text; origin names it in errors.");
}

}  // namespace gigatrain::python
