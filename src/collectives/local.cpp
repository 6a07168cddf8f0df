#include "collectives/local.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <optional>

#include "base/stream_copy.h"
#include "gigatrain/base/error.h"
#include "gigatrain/runtime/device.h"

namespace gigatrain {

namespace collectives {

namespace {

// From so many bytes on nothing of a piece would be left in a cache for whoever reads it.
constexpr std::int64_t kStreamedBytes = 32 << 20;

class LocalCommunicator : public Communicator {
 public:
  LocalCommunicator(Group g, std::shared_ptr<OperationLog> log)
      : Communicator(std::move(g), std::move(log)) {
    if (!group().device) return;
    copies_ = group().device->make_copy_queue();
    ordinal_ = group().device->facts().ordinal;
  }

  void abort(const std::string& reason) override {
    aborted_ = fmt::format("group '{}' was aborted: {}", name(), reason);
  }

 private:
  std::unique_ptr<WorkState> submit(Transfer t) override {
    if (aborted_) throw Error(ErrorCode::communication, *aborted_);
    const auto number = shared_log()->add(t.record);
    shared_log()->begin(number);
    if (t.device)
      copy_on(*t.device, t.receive[0], t.send[0]);
    else
      copy_piece(t.receive[0], t.send[0]);
    if (t.finish) t.finish();
    shared_log()->end(number, OperationRecord::State::done);
    return nullptr;
  }
  // split() makes local communicators itself, and this one has no larger parts.
  std::unique_ptr<Communicator> subgroup(Group group) override {
    return make_local(std::move(group), shared_log());
  }

  // In the device's queue, to which the copy is as any kernel.
  void copy_on(Device& device, const Transfer::Piece& to, const Transfer::Piece& from) {
    if (to.bytes == 0 || to.data == from.data) return;
    copies_->wait(*device.mark());
    copies_->copy(to.data, from.data, to.bytes, ordinal_);
    device.wait(*copies_->mark());
  }

  std::optional<std::string> aborted_;
  std::unique_ptr<CopyQueue> copies_;  // of a device's group
  int ordinal_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> make_local(Group group, std::shared_ptr<OperationLog> log) {
  return std::make_unique<LocalCommunicator>(std::move(group), std::move(log));
}

void copy_piece(const Transfer::Piece& to, const Transfer::Piece& from) {
  if (to.bytes == 0 || to.data == from.data) return;
  auto* out = static_cast<std::byte*>(to.data);
  const auto* in = static_cast<const std::byte*>(from.data);
  const auto bytes = static_cast<std::size_t>(to.bytes);
  if (to.bytes < kStreamedBytes) return void(std::memcpy(out, in, bytes));
  const std::size_t head = (64 - reinterpret_cast<std::uintptr_t>(out) % 64) % 64;
  std::memcpy(out, in, head);
  stream_copy(out + head, in + head, bytes - head);
}

}  // namespace collectives

std::unique_ptr<Communicator> make_local_communicator() {
  Group alone{.name = std::make_shared<const std::string>("world"), .members = {0}};
  return collectives::make_local(std::move(alone), std::make_shared<OperationLog>());
}

}  // namespace gigatrain
