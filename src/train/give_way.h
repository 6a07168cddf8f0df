// Threads that work beside training give way to it: on Linux they get the time that no other thread
// wants. A nice value is not enough: such a thread keeps its core for some ms when a training
// thread wakes, thousands of times in a step. Where the system refuses, nothing changes.
#pragma once

#include <mutex>

namespace gigatrain {

class GiveWay {
 public:
  // The calling thread, and those that it starts, give way from here to their end; one at a time,
  // and one that is about to end when this does.
  class InThread {
   public:
    explicit InThread(GiveWay& all);
    ~InThread();
    InThread(const InThread&) = delete;
    InThread& operator=(const InThread&) = delete;

   private:
    GiveWay& all_;
  };

  // From now on nobody does. A thread that gives way comes back where the process may raise
  // priorities (CAP_SYS_NICE, RLIMIT_NICE); else it still gets every core that is left idle.
  void no_longer();

 private:
  std::mutex mutex_;
  int thread_ = 0;
  bool over_ = false;
};

}  // namespace gigatrain
