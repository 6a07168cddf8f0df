// The rules a configuration must keep: each field's range, then the rules between fields.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "config_internal.h"
#include "gigatrain/base/error.h"
#include "gigatrain/train/batch_shape.h"
#include "gigatrain/train/config_fields.h"
#include "gigatrain/train/loss_scale.h"
#include "gigatrain/train/tokenizer.h"
#include "model_kind.h"

namespace gigatrain {
namespace config {
namespace {

class Checker {
 public:
  Checker(const Config& config, const Origins& origins, Problems& problems)
      : c_(config), origins_(origins), problems_(problems) {}

  void fields();
  void name();
  void model();
  void keys_of_kind();
  void batch();
  void ramp();
  void optimizer();
  void schedule();
  void precision();
  void axes();

 private:
  std::string where(const std::string& key) const {
    const auto it = origins_.find(key);
    return it == origins_.end() ? "" : it->second + ": ";
  }
  void invalid(const std::string& key, const std::string& text) {
    problems_.invalid.push_back(where(key) + text);
  }
  void unsupported(const std::string& key, const std::string& text) {
    problems_.unsupported.push_back(where(key) + text);
  }

  void field(const std::string&, const Field&, bool) {}
  void field(const std::string& key, const Field& f, std::int64_t v);
  void field(const std::string& key, const Field& f, double v);
  void field(const std::string& key, const Field& f, const std::string& v);
  void field(const std::string& key, const Field& f, const std::vector<std::string>& v);
  void number(const std::string& key, const Field& f, double v, const std::string& text);
  void multiple(const std::string& a_key, std::int64_t a, const std::string& b_key, std::int64_t b);

  const Config& c_;
  const Origins& origins_;
  Problems& problems_;
};

void Checker::fields() {
  visit_sections(c_, [&](const char* section, const auto& fields) {
    visit_fields(fields, [&](const Field& f, const auto& value) {
      const std::string key = fmt::format("{}.{}", section, f.name);
      if (!problems_.wrong_type.count(key)) field(key, f, value);
    });
  });
}

void Checker::number(const std::string& key, const Field& f, double v, const std::string& text) {
  if (f.in_range(v) && v - v == 0) return;  // v - v is NaN for NaN and infinity
  std::string rule = "finite";
  if (f.min > -1e300) rule = fmt::format("{} {:.10g}", f.above_min ? ">" : ">=", f.min);
  if (f.max < 1e300) rule += fmt::format(" and {} {:.10g}", f.below_max ? "<" : "<=", f.max);
  invalid(key, f.required && v == 0 ? fmt::format("{} is required: {}", key, f.doc)
                                    : fmt::format("{} must be {}, got {}", key, rule, text));
}

void Checker::field(const std::string& key, const Field& f, std::int64_t v) {
  number(key, f, static_cast<double>(v), to_text(v));
}

void Checker::field(const std::string& key, const Field& f, double v) {
  number(key, f, v, to_text(v));
}

void Checker::field(const std::string& key, const Field& f, const std::string& v) {
  if (!is_utf8(v)) return invalid(key, fmt::format("{} is not valid UTF-8", key));
  if (f.choices.empty() || std::count(f.choices.begin(), f.choices.end(), v)) return;
  invalid(key, fmt::format("{} must be one of {}, got {}{}", key, fmt::join(f.choices, ", "),
                           to_text(v), suggest(v, f.choices)));
}

void Checker::field(const std::string& key, const Field& f, const std::vector<std::string>& v) {
  if (f.required && v.empty()) invalid(key, fmt::format("{} is required: {}", key, f.doc));
  for (const std::string& item : v)
    if (item.empty() || !is_utf8(item) || item.find('\0') != std::string::npos)
      invalid(key, fmt::format("{} must be a list of texts that are not empty, got {}", key,
                               to_text(item)));
}

// A run's name becomes a folder, so it must not leave run.dir.
void Checker::name() {
  const std::string& name = c_.run.name;
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c == '.';
  });
  if (!plain || name.front() == '.' || name.size() > 200)
    invalid("run.name", fmt::format("run.name must be letters, digits, '_', '-' and '.', not "
                                    "starting with '.', got {}",
                                    to_text(name)));
}

void Checker::multiple(const std::string& a_key, std::int64_t a, const std::string& b_key,
                       std::int64_t b) {
  if (a < 1 || b < 1 || a % b == 0) return;  // a size out of range was reported already
  invalid(a_key, fmt::format("{} = {} must be a multiple of {} = {} (remainder {})", a_key, a,
                             b_key, b, a % b));
}

void Checker::model() {
  if (!c_.model.from.empty()) return;  // its sizes come from the folder
  if (c_.model.head_dim == 0)
    multiple("model.n_embd", c_.model.n_embd, "model.n_head", c_.model.n_head);
  multiple("model.n_head", c_.model.n_head, "model.n_kv_head", c_.model.n_kv_head);
  keys_of_kind();
}

// A key that means nothing to the kind at hand and is not at its default was set in error.
void Checker::keys_of_kind() {
  const auto common = {"kind",    "from",       "n_layer", "n_head",   "n_kv_head", "n_embd",
                       "n_inner", "vocab_size", "tie",     "init_std", "norm_eps"};
  const auto names = model_kind_names();
  if (!std::count(names.begin(), names.end(), c_.model.kind)) return;  // reported already
  const auto& own = find_model_kind(c_.model.kind).keys;
  std::vector<std::string> defaults;
  const ModelConfig fresh;
  visit_fields(fresh, [&](const Field&, const auto& v) { defaults.push_back(to_text(v)); });
  std::size_t i = 0;
  visit_fields(c_.model, [&](const Field& f, const auto& v) {
    const bool changed = to_text(v) != defaults[i++];
    if (changed && !std::count(common.begin(), common.end(), f.name) &&
        !std::count(own.begin(), own.end(), f.name))
      invalid(fmt::format("model.{}", f.name),
              fmt::format("model.{} = {} means nothing to model.kind = \"{}\"", f.name, to_text(v),
                          c_.model.kind));
  });
}

void Checker::batch() {
  const auto& t = c_.train;
  multiple("train.global_batch", t.global_batch, "train.micro_batch", t.micro_batch);
  if (t.leaves < 1) return;
  if (!std::has_single_bit(static_cast<std::uint64_t>(t.leaves)))
    return invalid("train.leaves",
                   fmt::format("train.leaves must be a power of two, got {}", t.leaves));
  const std::int64_t micro = t.micro_batch > 0 ? t.micro_batch : 1;
  if (t.global_batch % micro == 0 && t.global_batch / micro % t.leaves != 0)
    invalid("train.leaves",
            fmt::format("train.global_batch = leaves * A * micro_batch must hold for a whole A, "
                        "got {} = {} * {:.4g} * {}",
                        t.global_batch, t.leaves, double(t.global_batch) / double(t.leaves * micro),
                        micro));
}

void Checker::ramp() {
  const auto& t = c_.train;
  if (t.batch_ramp.empty()) return;
  if (t.leaves < 1)
    return invalid("train.batch_ramp",
                   "train.batch_ramp counts leaves: train.leaves must be given");
  try {
    check_ramp({.leaves = t.leaves, .ramp = parse_batch_ramp(t.batch_ramp)});
  } catch (const Error& e) {
    invalid("train.batch_ramp", fmt::format("train.batch_ramp: {}", e.message()));
  }
}

void Checker::optimizer() {
  for (const std::string& text : c_.optim.groups) try {
      if (!text.empty()) optim::parse_group_rule(text);
    } catch (const Error& e) {
      invalid("optim.groups", fmt::format("optim.groups: {}", e.message()));
    }
}

void Checker::schedule() {
  if (c_.train.steps > 0 && c_.schedule.warmup > c_.train.steps)
    invalid("schedule.warmup", fmt::format("schedule.warmup = {} must not exceed train.steps = {}",
                                           c_.schedule.warmup, c_.train.steps));
}

void Checker::precision() {
  const auto& p = c_.precision;
  if (p.params == "bf16" && p.compute != "bf16")
    invalid(
        "precision.params",
        fmt::format("precision.params = \"bf16\" needs precision.compute = \"bf16\", got \"{}\"",
                    p.compute));
  if (p.loss_scale == 0) return;
  int exponent = 0;
  if (p.compute != "f16")
    invalid("precision.loss_scale",
            fmt::format("precision.loss_scale = {:g} needs precision.compute = \"f16\", got \"{}\"",
                        p.loss_scale, p.compute));
  else if (p.loss_scale < LossScale::kLeast || std::frexp(p.loss_scale, &exponent) != 0.5)
    invalid("precision.loss_scale", fmt::format("precision.loss_scale must be a power of two of at "
                                                "least 2^-14, or 0 for a dynamic one, "
                                                "got {:g}",
                                                p.loss_scale));
}

void Checker::axes() {
  const auto& p = c_.parallel;
  const std::pair<const char*, std::int64_t> axes[] = {
      {"tp", p.tp}, {"sp", p.sp}, {"cp", p.cp}, {"pp", p.pp}, {"ep", p.ep}};
  for (const auto& [axis, size] : axes)
    if (size > 1)
      unsupported(fmt::format("parallel.{}", axis),
                  fmt::format("parallel.{} = {}: this build serves only 1", axis, size));
}

}  // namespace

void check(const Config& config, const Origins& origins, Problems& problems) {
  Checker checker(config, origins, problems);
  checker.fields();
  if (!config.run.name.empty()) checker.name();
  checker.model();
  checker.batch();
  checker.ramp();
  checker.optimizer();
  checker.schedule();
  checker.precision();
  checker.axes();
}

}  // namespace config

void validate(const Config& c) {
  config::Problems problems;
  config::check(c, {}, problems);
  problems.throw_if_any("configuration");
}

std::int64_t default_micro_batch(std::int64_t global_batch) {
  for (const std::int64_t size : {4, 3, 2})
    if (global_batch % size == 0) return size;
  return 1;
}

int default_leaves(std::int64_t global_batch, std::int64_t micro_batch, std::int64_t parameters) {
  const int most = parameters > 1'000'000'000 ? 4 : 16;
  if (micro_batch < 1 || global_batch < 1 || global_batch % micro_batch != 0) return 1;
  int leaves = 1;
  while (leaves < most && global_batch / micro_batch % (2 * leaves) == 0) leaves *= 2;
  return leaves;
}

}  // namespace gigatrain
