#include "train/checkpoint_save.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "gigatrain/base/error.h"
#include "train/paced_files.h"
#include "train/together.h"

namespace gigatrain {

namespace {

int digest_threads(const CheckpointSave::Request& request, const Communicator& ranks) {
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return request.in_background ? 1 : std::max(1, cores / ranks.size());
}

}  // namespace

CheckpointSave::CheckpointSave(FileSystem& files, Communicator& ranks, Request request,
                               CheckpointPart part)
    : files_(files), ranks_(ranks), request_(std::move(request)), part_(std::move(part)) {
  if (ranks_.size() > 1) {
    start([this] { return begin(); });
    return;
  }
  phase_ = Phase::committing;  // nobody to wait for in between
  start([this] {
    begin();
    return commit({write()});
  });
}

// The three things to be done, each by a thread. On rank 0: the temporary folder's name.
std::string CheckpointSave::begin() {
  if (ranks_.rank() != 0) return {};
  check_request(step(), request_.options);
  return temporary_ = begin_checkpoint(files_, request_.root, step());
}

// A manifest of what this rank has written.
std::string CheckpointSave::write() {
  const int threads = digest_threads(request_, ranks_);
  if (!request_.in_background || request_.bandwidth <= 0)
    return manifest_to_json(write_part(files_, temporary_, part_, threads));
  PacedFiles paced(files_, request_.bandwidth, hurry_);
  return manifest_to_json(write_part(paced, temporary_, part_, threads));
}

std::string CheckpointSave::commit(const std::vector<std::string>& manifests) {
  if (ranks_.rank() != 0) return {};
  std::vector<Manifest> parts;
  for (std::size_t r = 0; r < manifests.size(); ++r)
    parts.push_back(manifest_from_json(manifests[r], "the part of rank " + std::to_string(r)));
  written_ =
      commit_checkpoint(files_, request_.root, temporary_, parts, request_.texts, request_.options);
  return {};
}

CheckpointSave::~CheckpointSave() {
  hurry();
  if (job_.valid()) job_.wait();
  if (phase_ != Phase::over) abandon();
}

void CheckpointSave::start(std::function<std::string()> work) {
  job_ = std::async(std::launch::async, [this, work = std::move(work)] {
    std::optional<GiveWay::InThread> while_it_runs;
    if (request_.in_background) while_it_runs.emplace(give_way_);
    return outcome_of(work);
  });
}

bool CheckpointSave::poll() {
  const bool ready = job_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  if (ranks_.all_reduce<std::int32_t>(ready ? 1 : 0, Reduce::min) == 0) return false;
  try {
    go_on();
  } catch (Error& e) {
    abandon();
    throw e.add_frame(saving_frame(request_.root, step()));
  }
  return phase_ == Phase::over;
}

// When every rank's thread is done with what it had to do.
void CheckpointSave::go_on() {
  const auto results = join_outcomes(ranks_, job_.get());
  switch (phase_) {
    case Phase::beginning:
      phase_ = Phase::writing;
      temporary_ = results.front();
      return start([this] { return write(); });
    case Phase::writing:
      phase_ = Phase::committing;
      return start([this, results] { return commit(results); });
    default:
      phase_ = Phase::over;
  }
}

void CheckpointSave::hurry() {
  hurry_ = true;
  give_way_.no_longer();
}

void CheckpointSave::wait() {
  hurry();
  do job_.wait_for(std::chrono::milliseconds(20));  // the ranks keep each other's deadlines
  while (!poll());
}

void CheckpointSave::abandon() {
  phase_ = Phase::over;
  if (ranks_.rank() == 0 && !temporary_.empty()) remove_quietly(files_, temporary_);
}

}  // namespace gigatrain
