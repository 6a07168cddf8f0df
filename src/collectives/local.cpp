#include "collectives/local.h"

#include <fmt/format.h>

#include <cstring>
#include <optional>

#include "gigatrain/base/error.h"

namespace gigatrain {

namespace collectives {

namespace {

class LocalCommunicator : public Communicator {
 public:
  LocalCommunicator(Group group, std::shared_ptr<OperationLog> log)
      : Communicator(std::move(group), std::move(log)) {}

  void abort(const std::string& reason) override {
    aborted_ = fmt::format("group '{}' was aborted: {}", name(), reason);
  }

 private:
  std::unique_ptr<WorkState> submit(Transfer t) override {
    if (aborted_) throw Error(ErrorCode::communication, *aborted_);
    const auto number = shared_log()->add(t.record);
    shared_log()->begin(number);
    for (std::size_t i = 0; i < t.receive.size(); ++i) copy_piece(t.receive[i], t.send[i]);
    if (t.finish) t.finish();
    shared_log()->end(number, OperationRecord::State::done);
    return nullptr;
  }
  // split() makes local communicators itself, and this one has no larger parts.
  std::unique_ptr<Communicator> subgroup(Group group) override {
    return make_local(std::move(group), shared_log());
  }

  std::optional<std::string> aborted_;
};

}  // namespace

std::unique_ptr<Communicator> make_local(Group group, std::shared_ptr<OperationLog> log) {
  return std::make_unique<LocalCommunicator>(std::move(group), std::move(log));
}

void copy_piece(const Transfer::Piece& to, const Transfer::Piece& from) {
  if (to.bytes > 0 && to.data != from.data)
    std::memcpy(to.data, from.data, static_cast<std::size_t>(to.bytes));
}

}  // namespace collectives

std::unique_ptr<Communicator> make_local_communicator() {
  Group alone{.name = std::make_shared<const std::string>("world"), .members = {0}};
  return collectives::make_local(std::move(alone), std::make_shared<OperationLog>());
}

}  // namespace gigatrain
