#include "plan_report.h"

#include <fmt/format.h>

#include "progress.h"

namespace gigatrain::tools {

nlohmann::ordered_json json_of(const MemoryPlan& plan) {
  nlohmann::ordered_json device;
  for (std::size_t i = 0; i < plan.by_purpose.size(); ++i)
    device[name(static_cast<Purpose>(i))] = plan.by_purpose[i];
  device["peak"] = plan.total;
  device["reserved"] = plan.reserved;
  const MemoryPlan::Host& h = plan.host;
  return {{"device", device},
          {"host",
           {{"tokens", h.tokens},
            {"staging", h.staging},
            {"initial_values", h.initial_values},
            {"checkpoint", h.checkpoint},
            {"total", h.total()}}}};
}

std::string purposes_of(const MemoryPlan& plan) {
  std::string text;
  for (std::size_t i = 0; i < plan.by_purpose.size(); ++i)
    if (plan.by_purpose[i] > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name(static_cast<Purpose>(i)),
                          format_bytes(static_cast<double>(plan.by_purpose[i])));
  return text;
}

std::int64_t context_bytes(const PlanTarget& target) {
  return target.facts.kind == "cpu" ? 0 : kCudaContextBytes;
}

}  // namespace gigatrain::tools
