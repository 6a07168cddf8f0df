// TrainState as state.json. 64-bit values that JSON readers would round are hex strings; doubles
// are written with the fewest digits that read back to the same bits.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "json_fields.h"
#include "strict_json.h"

namespace gigatrain {
namespace {

using Json = nlohmann::ordered_json;

Json finite_or_null(double x) {
  return std::isfinite(x) ? Json(x) : Json(nullptr);
}

}  // namespace

std::string state_to_json(const TrainState& s) {
  const Json json = {{"step", s.step},
                     {"tokens", s.tokens},
                     {"seed", digest_hex(s.seed)},
                     {"leaves", s.leaves},
                     {"scalar_chunk", s.scalar_chunk},
                     {"loss_scale", finite_or_null(s.loss_scale)},
                     {"loss_scale_good_steps", s.loss_scale_good_steps},
                     {"best_eval_loss", finite_or_null(s.best_eval_loss)},
                     {"numerics", s.numerics},
                     {"schedule", s.schedule},
                     {"config", s.config},
                     {"dataset_digest", s.dataset_digest},
                     {"run_name", s.run_name},
                     {"isa", s.isa},
                     {"library_version", s.library_version},
                     {"algorithms", Json(s.algorithms)},
                     {"state_digest", digest_hex(s.state_digest)}};
  try {
    return json.dump(2) + "\n";
  } catch (const Json::exception&) {
    throw Error(ErrorCode::invalid_argument, "texts in a checkpoint's state must be valid UTF-8");
  }
}

TrainState state_from_json(std::string_view text, const std::string& file) {
  const auto json = parse_sorted_json(text, file);
  const JsonFields fields(json, file);
  TrainState s;
  s.step = fields.integer("step");
  s.tokens = fields.integer("tokens");
  s.seed = fields.hex("seed");
  s.leaves = fields.integer("leaves");
  s.scalar_chunk = fields.integer("scalar_chunk");
  s.loss_scale = fields.number("loss_scale", 1.0);
  if (json.contains("loss_scale_good_steps"))  // not in checkpoints of earlier versions
    s.loss_scale_good_steps = fields.integer("loss_scale_good_steps");
  s.best_eval_loss = fields.number("best_eval_loss", std::numeric_limits<double>::infinity());
  s.numerics = fields.text("numerics");
  s.schedule = fields.text("schedule");
  s.config = fields.text("config");
  s.dataset_digest = fields.text("dataset_digest");
  s.run_name = fields.text("run_name");
  s.isa = fields.text("isa");
  s.library_version = fields.text("library_version");
  for (const auto& [key, value] : fields.object("algorithms").items()) {
    if (!value.is_string())
      throw Error(ErrorCode::corrupt, fmt::format("'{}': algorithms must be strings", file));
    s.algorithms[key] = value.get<std::string>();
  }
  s.state_digest = fields.hex("state_digest");
  return s;
}

}  // namespace gigatrain
