// One call of a communicator, as it is compared between ranks, recorded and printed. Ranks meet in
// an operation only if their fingerprints are equal; otherwise it is refused before data move.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gigatrain/base/dtype.h"
#include "gigatrain/base/error.h"

namespace gigatrain {

enum class Collective : std::uint8_t {
  all_to_all,
  all_gather,
  all_reduce,
  broadcast,
  gather,
  scatter,
  send,
  recv,
  barrier,
  split,
  on
};
const char* name(Collective operation);
constexpr bool is_message(Collective c) {
  return c == Collective::send || c == Collective::recv;
}

enum class Reduce : std::uint8_t { sum, min, max };
const char* name(Reduce reduce);

inline constexpr int kNoRoot = -1;
inline constexpr std::int64_t kAnyCount = -1;  // differs between pairs of ranks, which check it

struct Fingerprint {
  std::uint64_t group = 0;
  std::int64_t sequence = 0;  // of the group's collectives; of a pair's messages for send and recv
  Collective operation = Collective::barrier;
  DType dtype = DType::u8;
  std::int64_t count = 0;  // elements, of all ranks together
  int root = kNoRoot;      // rank in the group; of send and recv the other side
  Reduce reduce = Reduce::sum;

  bool operator==(const Fingerprint&) const = default;
};

struct OperationRecord {
  enum class State : std::uint8_t { waiting, moving, done, failed };

  Fingerprint what;
  std::shared_ptr<const std::string> group, label;  // label: e.g. "step 12, phase backward"
  SourceLocation called_at;
  std::int64_t bytes_out = 0, bytes_in = 0;  // to and from other ranks
  State state = State::waiting;  // waiting: for other ranks; done, of a device: in its queue
  std::chrono::steady_clock::time_point called{}, began{}, ended{};
};
const char* name(OperationRecord::State state);
// all_gather number 12 of group 'world' (f32, 1000 elements)
std::string str(const Fingerprint& what, const std::string& group);
// The same, and where: "..., called at a.cpp:12, step 12, phase backward".
std::string str(const OperationRecord& record);

// The last operations of one rank, of all its groups: what a failure is explained with. A
// communicator writes it; any thread may read it.
class OperationLog {
 public:
  static constexpr std::int64_t kCapacity = 1024;

  std::int64_t add(OperationRecord record);  // its number, from 0 on
  void begin(std::int64_t number);           // data move
  void end(std::int64_t number, OperationRecord::State state);

  // Where the rank's program is; goes with the operations that follow.
  void set_label(std::string label);
  std::shared_ptr<const std::string> label() const;

  std::int64_t total() const;                    // operations ever
  std::vector<OperationRecord> records() const;  // the last kCapacity, oldest first
  std::string str() const;                       // a line each
  // Time in which the rank's program has waited for operations.
  struct Waits {
    double all_ms = 0;
    double exposed_ms = 0;  // of these, after the last rank had called: while data moved
  };
  void add_wait(std::int64_t number, std::chrono::steady_clock::time_point since);
  Waits waits() const;
  // The last operation and where the rank has been since: for messages.
  std::string last_seen() const;

 private:
  OperationRecord* find(std::int64_t number);
  mutable std::mutex mutex_;
  std::vector<OperationRecord> ring_;
  std::int64_t total_ = 0;
  Waits waits_;
  std::shared_ptr<const std::string> label_ = std::make_shared<const std::string>();
  std::chrono::steady_clock::time_point labelled_{};
};

}  // namespace gigatrain
