// Environment variables, read in this one place. The names are in docs/reference.md.
#pragma once

namespace gigatrain {

struct Environment {
  int num_threads = 0;    // GIGATRAIN_NUM_THREADS, 0 when unset
  bool no_color = false;  // NO_COLOR

  static Environment read();  // throws Error(invalid_argument) on a malformed value
};

}  // namespace gigatrain
