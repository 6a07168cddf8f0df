// TensorBoard's event files, written by hand: records of TFRecord (length, masked CRC-32C of it,
// bytes, masked CRC-32C of them), each an Event of tensorflow/core/util/event.proto.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace gigatrain {

std::uint32_t crc32c(std::string_view bytes);         // Castagnoli, RFC 3720
std::uint32_t masked_crc32c(std::string_view bytes);  // as TFRecord stores it

std::string event_record(std::string_view event);
// The first record of a file.
std::string event_file_version(double time);
// Every scalar of one moment. Numbers are finite; TensorBoard keeps them as 32-bit floats.
std::string event_scalars(double time, std::int64_t step,
                          const std::map<std::string, double>& scalars);
// A run that continues at `step`: TensorBoard forgets what it had from there on.
std::string event_session_start(double time, std::int64_t step);

}  // namespace gigatrain
