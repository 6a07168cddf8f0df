#include "train/event_file.h"

#include <array>
#include <bit>

namespace gigatrain {

namespace {

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82F63B78u : 0u);
    table[i] = c;
  }
  return table;
}

// Little-endian, whatever the machine.
template <class T>
std::string bytes_of(T value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

// The encoding of protocol buffers: a key (field number, wire type), then the value.
enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7F) | 0x80);
  return bytes + static_cast<char>(value);
}
std::string key(int field, WireType type) {
  return varint(static_cast<std::uint64_t>(field << 3 | type));
}
std::string field_double(int field, double value) {
  return key(field, kFixed64) + bytes_of(std::bit_cast<std::uint64_t>(value));
}
std::string field_float(int field, double value) {
  return key(field, kFixed32) + bytes_of(std::bit_cast<std::uint32_t>(static_cast<float>(value)));
}
std::string field_int(int field, std::int64_t value) {
  return key(field, kVarint) + varint(static_cast<std::uint64_t>(value));
}
std::string field_bytes(int field, std::string_view value) {
  return key(field, kBytes) + varint(value.size()) + std::string(value);
}

// Field numbers of Event, Summary, Summary.Value and SessionLog.
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr int kSummaryValue = 1, kTag = 1, kSimpleValue = 2, kStatus = 1, kStatusStart = 1;

std::string event(double time, std::int64_t step) {
  return field_double(kWallTime, time) + field_int(kStep, step);
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = crc_table();
  std::uint32_t c = 0xFFFFFFFFu;
  for (const char byte : bytes) c = kTable[(c ^ static_cast<unsigned char>(byte)) & 0xFF] ^ c >> 8;
  return ~c;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8u;
}

std::string event_record(std::string_view event) {
  const std::string length = bytes_of(std::uint64_t{event.size()});
  return length + bytes_of(masked_crc32c(length)) + std::string(event) +
         bytes_of(masked_crc32c(event));
}

std::string event_file_version(double time) {
  return event_record(field_double(kWallTime, time) + field_bytes(kFileVersion, "brain.Event:2"));
}

std::string event_scalars(double time, std::int64_t step,
                          const std::map<std::string, double>& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars)
    summary +=
        field_bytes(kSummaryValue, field_bytes(kTag, tag) + field_float(kSimpleValue, value));
  return event_record(event(time, step) + field_bytes(kSummary, summary));
}

std::string event_session_start(double time, std::int64_t step) {
  return event_record(event(time, step) +
                      field_bytes(kSessionLog, field_int(kStatus, kStatusStart)));
}

}  // namespace gigatrain
