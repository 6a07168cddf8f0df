// Environment variables, read in this one place. The names are in docs/reference.md.
#pragma once

#include <optional>
#include <string>

#include "gigatrain/runtime/cpu_features.h"

namespace gigatrain {

struct Environment {
  int num_threads = 0;                 // GIGATRAIN_NUM_THREADS, 0 when unset
  std::string device = "auto";         // GIGATRAIN_DEVICE
  std::optional<Bf16Products> bf16{};  // GIGATRAIN_BF16: widened, avx512_bf16 or amx
  double timeout_s = 300;  // GIGATRAIN_TIMEOUT_S: deadline of each operation between ranks
  bool cuda_sync = false;  // GIGATRAIN_CUDA_SYNC: wait after each kernel, to name a fault
  bool trace = false;      // GIGATRAIN_TRACE
  bool no_color = false;   // NO_COLOR

  static Environment read();  // throws Error(invalid_argument) on a malformed value
};

}  // namespace gigatrain
