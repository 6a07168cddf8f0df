// What a communicator's call returns: a handle on an operation that is under way. Until it is over
// the operation's buffers belong to it. The handle outlives nothing: its destructor waits, so that
// no buffer declared before it can be freed under a copy; where an exception passes, it breaks the
// operation off first, for every rank.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gigatrain {

// A transport's side of it.
class WorkState {
 public:
  virtual ~WorkState() = default;
  virtual bool over() = 0;  // well or not; never blocks
  virtual void wait() = 0;  // until it is over, at most its deadline; throws what went wrong
  // Fails the operation on all ranks unless it is over; wait() then returns soon.
  virtual void cancel(const std::string& why) = 0;
};

class [[nodiscard]] Work {
 public:
  Work() = default;  // nothing to wait for
  explicit Work(std::unique_ptr<WorkState> state) : state_(std::move(state)) {}
  Work(Work&& other) noexcept : state_(std::move(other.state_)), kept_(std::move(other.kept_)) {}
  Work& operator=(Work&& other) noexcept;
  ~Work() { finish_quietly(); }

  bool test() const { return !state_ || state_->over(); }  // would wait() return or throw at once?
  // Returns when the operation is done on this rank: its results are there, its buffers free. In a
  // device's memory that holds for what its queue is given from now on; the host does not wait for
  // the device. Throws Error(communication or timeout) that names the rank at fault.
  void wait();

  // Holds a copy of `object` (a Storage, a Tensor) until wait() returns or throws.
  template <class T>
  Work& keep(T object) & {
    kept_.push_back(std::make_shared<const T>(std::move(object)));
    return *this;
  }
  template <class T>
  Work&& keep(T object) && {
    return std::move(keep(std::move(object)));
  }

 private:
  void finish_quietly() noexcept;  // a failure is said by every later call of the communicator
  int unwinding_ = std::uncaught_exceptions();
  std::unique_ptr<WorkState> state_;
  std::vector<std::shared_ptr<const void>> kept_;
};

}  // namespace gigatrain
