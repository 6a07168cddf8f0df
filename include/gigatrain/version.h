// The one place where versions stand; CMake and the Python build read this file.
#pragma once

#define GIGATRAIN_VERSION_MAJOR 0
#define GIGATRAIN_VERSION_MINOR 1
#define GIGATRAIN_VERSION_PATCH 0
#define GIGATRAIN_VERSION "0.1.0"

namespace gigatrain {

inline constexpr int kCheckpointVersion = 2;  // `version` in a checkpoint's manifest.json
inline constexpr int kMetricsVersion = 1;     // `v` in a line of metrics.jsonl
inline constexpr int kPluginAbiVersion = 1;   // device and communication plugins

}  // namespace gigatrain

namespace gt = gigatrain;
