// Mutations that keep a JSON document well formed, so that fuzzing gets past the parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <random>
#include <string>

namespace gigatrain::fuzz {

using Random = std::minstd_rand;

// Changes, adds, copies or removes one value somewhere in the document.
void edit(nlohmann::ordered_json& json, Random& random);

// Edits the text as a document, or as bytes where it is none (and now and then anyway). `finish`
// writes it out, and mends what must agree with the rest first, a hash say.
std::string mutate_json(const std::string& text, Random& random,
                        const std::function<std::string(nlohmann::ordered_json&)>& finish);

// As short as it can be; bytes that are no UTF-8 are replaced.
std::string to_text(const nlohmann::ordered_json& json, int indent = -1);

// Bytes through libFuzzer's own mutations, at most `max` of them.
std::string mutate_bytes(std::string bytes, std::size_t max);

// Into libFuzzer's buffer; what does not fit is cut.
std::size_t give(const std::string& bytes, std::uint8_t* data, std::size_t max);

}  // namespace gigatrain::fuzz
