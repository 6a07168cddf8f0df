#include "gigatrain/collectives/dry_ranks.h"

#include <fmt/format.h>

#include <cstring>
#include <numeric>

#include "gigatrain/base/error.h"

namespace gigatrain {

namespace {

class DryCommunicator : public Communicator {
 public:
  DryCommunicator(Group group, std::shared_ptr<OperationLog> log)
      : Communicator(std::move(group), std::move(log)) {}
  void abort(const std::string&) override {}

 private:
  // What these exchange is host memory of their own.
  static bool moves(Collective operation) {
    return operation == Collective::split || operation == Collective::on ||
           operation == Collective::all_reduce;
  }
  std::unique_ptr<WorkState> submit(Transfer t) override {
    if (moves(t.record.what.operation))
      for (std::size_t r = 0; r < t.receive.size(); ++r)
        if (t.receive[r].bytes > 0)
          std::memcpy(t.receive[r].data, t.send[r].data,
                      static_cast<std::size_t>(t.receive[r].bytes));
    if (t.finish) t.finish();
    return nullptr;
  }
  std::unique_ptr<Communicator> subgroup(Group group) override {
    return std::make_unique<DryCommunicator>(std::move(group), shared_log());
  }
};

}  // namespace

std::unique_ptr<Communicator> make_dry_communicator(int rank, int ranks) {
  if (rank < 0 || rank >= ranks)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("one of {} ranks has a number from 0 on, got {}", ranks, rank));
  Group group{.name = std::make_shared<const std::string>("dry"),
              .members = std::vector<int>(static_cast<std::size_t>(ranks)),
              .rank = rank};
  std::iota(group.members.begin(), group.members.end(), 0);
  return std::make_unique<DryCommunicator>(std::move(group), std::make_shared<OperationLog>());
}

}  // namespace gigatrain
