#include "train/give_way.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gigatrain {

namespace {

void set_policy(int thread, int policy) {
  const sched_param none{};
  ::sched_setscheduler(thread, policy, &none);
}

}  // namespace

GiveWay::InThread::InThread(GiveWay& all) : all_(all) {
  const std::lock_guard lock(all_.mutex_);
  if (all_.over_) return;
  all_.thread_ = static_cast<int>(::syscall(SYS_gettid));
  set_policy(all_.thread_, SCHED_IDLE);
}

GiveWay::InThread::~InThread() {
  const std::lock_guard lock(all_.mutex_);
  all_.thread_ = 0;
}

void GiveWay::no_longer() {
  const std::lock_guard lock(mutex_);
  over_ = true;
  if (thread_ != 0) set_policy(thread_, SCHED_OTHER);
}

}  // namespace gigatrain
