// Ranks as threads of this process: nothing to install, every path testable on one machine. A
// rank's data go straight from the sender's buffer to the receiver's, copied by the receiver's
// communication thread, or by the receiver itself when it waits anyway; in a device's memory these
// queue the copies, and ranks may share a GPU.
//
//   run_ranks(4, [](gt::Communicator& world) { ... world.rank() ... });
#pragma once

#include <functional>

#include "gigatrain/base/error.h"
#include "gigatrain/collectives/communicator.h"

namespace gigatrain {

struct RankOptions {
  double timeout_s = 0;  // deadline of each operation; 0: GIGATRAIN_TIMEOUT_S, else 300
  // Called once, when the ranks' communication fails, on the thread that found out, before the
  // ranks end: a rank that never comes back cannot be joined, and run_ranks waits for it.
  std::function<void(const Error&)> on_failure = {};
};

// Runs body(world) on `ranks` threads, rank 0 on the caller's, and returns when all have ended. If
// any ended by an exception, throws the first cause: that rank's exception, or the error of the
// communication, never an echo of it on another rank.
void run_ranks(int ranks, const std::function<void(Communicator&)>& body,
               const RankOptions& options = {});

}  // namespace gigatrain
