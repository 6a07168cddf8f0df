#include "train/together.h"

#include <fmt/format.h>

#include <exception>
#include <new>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"

namespace gigatrain {

namespace {

using Json = nlohmann::json;

// A result has this before it, an error is JSON.
constexpr char kResult = '=';

std::string error_text(const Error& e) {
  const Json json = {{"code", static_cast<int>(e.code())},
                     {"message", e.message()},
                     {"next", e.next()},
                     {"frames", e.frames()}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Error error_from(const std::string& text, int rank, int ranks) {
  const Json json = Json::parse(text);
  Error error(static_cast<ErrorCode>(json.at("code").get<int>()), json.at("message"),
              json.at("next"));
  for (const auto& frame : json.at("frames")) error.add_frame(frame);
  if (ranks > 1) error.add_frame(fmt::format("on rank {}", rank));
  return error;
}

}  // namespace

std::vector<std::string> all_texts(Communicator& ranks, const std::string& own) {
  const auto sizes = all_values<std::int64_t>(ranks, {static_cast<std::int64_t>(own.size())});
  std::vector<std::uint8_t> mine(own.begin(), own.end()), all;
  const auto view_of = [](std::vector<std::uint8_t>& bytes) {
    return TensorView(bytes.data(), DType::u8, {static_cast<std::int64_t>(bytes.size())});
  };
  std::size_t total = 0;
  for (const auto size : sizes) total += static_cast<std::size_t>(size);
  all.resize(total);
  ranks.all_gather(view_of(mine), view_of(all), sizes).wait();
  std::vector<std::string> texts;
  auto at = all.begin();
  for (const auto size : sizes) {
    texts.emplace_back(at, at + size);
    at += size;
  }
  return texts;
}

std::string outcome_of(const std::function<std::string()>& work) {
  try {
    return kResult + work();
  } catch (const Error& e) {
    return error_text(e);
  } catch (const std::bad_alloc&) {
    return error_text(Error(ErrorCode::out_of_memory, "the system has no memory left"));
  } catch (const std::exception& e) {  // the system's: no thread, no file
    return error_text(Error(ErrorCode::io, e.what()));
  }
}

std::vector<std::string> join_outcomes(Communicator& ranks, const std::string& own_outcome) {
  auto outcomes = all_texts(ranks, own_outcome);
  for (std::size_t r = 0; r < outcomes.size(); ++r)
    if (outcomes[r].front() != kResult)
      throw error_from(outcomes[r], static_cast<int>(r), ranks.size());
  for (auto& outcome : outcomes) outcome.erase(0, 1);
  return outcomes;
}

std::vector<std::string> together(Communicator& ranks, const std::function<std::string()>& work) {
  return join_outcomes(ranks, outcome_of(work));
}

std::string on_rank_0(Communicator& ranks, const std::function<std::string()>& work) {
  return together(ranks, [&] { return ranks.rank() == 0 ? work() : std::string(); }).front();
}

}  // namespace gigatrain
