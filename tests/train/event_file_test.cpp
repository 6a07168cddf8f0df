// TensorBoard's files, byte by byte: checksums with known answers, and records taken apart again.
#include "train/event_file.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "gigatrain/base/error.h"
#include "gigatrain/train/report.h"
#include "train/run_log.h"
#include "train/temporary_folder.h"

using namespace gigatrain;
using gigatrain::testing::TemporaryFolder;

namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const char digits[] = "0123456789abcdef";
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

template <class T>
T number_at(const std::string& bytes, std::size_t at) {
  T value;
  REQUIRE(at + sizeof(T) <= bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// The events of a file; checks every length and checksum.
std::vector<std::string> events_of(const std::string& file) {
  std::vector<std::string> events;
  for (std::size_t at = 0; at < file.size();) {
    const auto length = number_at<std::uint64_t>(file, at);
    CHECK(number_at<std::uint32_t>(file, at + 8) == masked_crc32c(file.substr(at, 8)));
    events.push_back(file.substr(at + 12, length));
    CHECK(number_at<std::uint32_t>(file, at + 12 + length) == masked_crc32c(events.back()));
    at += length + 16;
  }
  return events;
}

}  // namespace

TEST_CASE("event file: CRC-32C of RFC 3720", "[unit][report]") {
  CHECK(crc32c("123456789") == 0xE3069283u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62A8AB43u);
  CHECK(crc32c("") == 0);
  CHECK(masked_crc32c("") == 0xA282EAD8u);
  CHECK(masked_crc32c("123456789") == 0xC78AB0E5u);
}

TEST_CASE("event file: the bytes of an event", "[unit][report]") {
  const auto version = events_of(event_file_version(1.0));
  REQUIRE(version.size() == 1);
  // Field 1, a double of 1.0; field 3, 13 bytes: "brain.Event:2".
  CHECK(hex(version[0]) == "09000000000000f03f1a0d" + hex("brain.Event:2"));
  const auto scalars = events_of(event_scalars(1.0, 300, {{"lr", 0.5}}));
  REQUIRE(scalars.size() == 1);
  // Field 2, varint 300; field 5 (summary): field 1 (value): field 1 "lr", field 2 the float 0.5.
  CHECK(hex(scalars[0]) == "09000000000000f03f10ac022a0b0a090a026c72150000003f");
  const auto start = events_of(event_session_start(1.0, 1));
  CHECK(hex(start[0]) == "09000000000000f03f10013a020801");
}

TEST_CASE("event file: a run's scalars, step by step", "[unit][report]") {
  const TemporaryFolder run;
  run.write("metrics.jsonl", R"({"kind":"start","step":0,"time":"1970-01-01T00:00:01.500Z"}
{"kind":"step","step":1,"time":"1970-01-01T00:00:02.000Z","loss":2.5,"lr":0.1,"grad_norm":null}
{"kind":"eval","step":1,"loss":2.25}
{"kind":"profile","step":1,"kernel_ms":{"norm":3},"mem_bytes":{"data":4}}
{"kind":"sample","step":1,"text":"no scalar"}
{"kind":"step","step":2,"los)");
  const std::string path = write_tensorboard(run.path());
  CHECK(path == run / kEventFile);
  const auto events = events_of(run.read(kEventFile));
  REQUIRE(events.size() == 5);
  CHECK(number_at<double>(events[0], 1) == 1.5);
  CHECK(events[2].find("loss/train") != std::string::npos);
  CHECK(events[2].find("grad_norm") == std::string::npos);  // TensorBoard has no null
  CHECK(events[3].find("loss/eval") != std::string::npos);
  CHECK(number_at<double>(events[3], 1) == 2.0);
  CHECK(events[4].find("kernel_ms/norm") != std::string::npos);
  CHECK(write_tensorboard(run.path()) == path);  // again: replaced, not appended to
  CHECK(events_of(run.read(kEventFile)).size() == 5);
}
