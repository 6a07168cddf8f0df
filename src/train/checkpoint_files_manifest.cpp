// manifest.json: which files a checkpoint has, with size and SHA-256, and where each tensor stands.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "gigatrain/version.h"
#include "json_fields.h"
#include "safetensors_internal.h"
#include "sha256.h"
#include "strict_json.h"

namespace gigatrain {
namespace {

using Json = nlohmann::json;  // sorted: a text has one form
constexpr const char* kFormat = "gigatrain.ckpt";

Json to_json(const Manifest::Record& record) {
  Json shape = Json::array(), slices = Json::array();
  for (int i = 0; i < record.shape.dims(); ++i) shape.push_back(record.shape[i]);
  for (const auto& s : record.slices)
    slices.push_back(
        {{"file", s.file}, {"begin", s.begin}, {"end", s.end}, {"digest", digest_hex(s.digest)}});
  return {{"dtype", record.dtype},
          {"shape", shape},
          {"digest", digest_hex(record.digest)},
          {"slices", slices}};
}

Manifest::Record parse_record(const Json& json, const std::string& file) {
  const JsonFields fields(json, file);
  Manifest::Record record;
  record.dtype = fields.text("dtype");
  record.digest = fields.hex("digest");
  constexpr std::uint64_t kMost = std::uint64_t{1} << 62;
  std::uint64_t elements = 1;
  for (const auto& size : fields.list("shape")) {
    const std::uint64_t n = size.is_number_unsigned() ? size.get<std::uint64_t>() : kMost + 1;
    if (n > kMost || record.shape.dims() == kMaxDims || (n > 0 && elements > kMost / n))
      throw Error(ErrorCode::corrupt, fmt::format("'{}': a shape is malformed", file));
    elements *= n;
    record.shape.push_back(static_cast<std::int64_t>(n));
  }
  for (const auto& slice : fields.list("slices")) {
    const JsonFields s(slice, file);
    record.slices.push_back(
        {s.text("file"), s.integer("begin"), s.integer("end"), s.hex("digest")});
  }
  return record;
}

std::pair<std::string, WrittenFile> parse_file(const Json& json, const std::string& file) {
  const JsonFields fields(json, file);
  const std::string name = fields.text("name");
  if (!is_plain_name(name))
    throw Error(ErrorCode::corrupt,
                fmt::format("'{}': '{}' is no plain file name", file, printable(name)));
  return {name, {fields.integer("bytes"), fields.text("sha256")}};
}

void require_format(const JsonFields& fields, const std::string& file) {
  if (fields.text("format") != kFormat)
    throw Error(ErrorCode::corrupt, fmt::format("'{}': format must be '{}', got '{}'", file,
                                                kFormat, printable(fields.text("format"))));
}

// Every byte counts: its blanks too must be those that were written.
void require_own_hash(Json json, std::string_view text, const std::string& file) {
  const std::string want = JsonFields(json, file).text("sha256");
  const bool as_written = json.dump(2) + "\n" == text;
  json["sha256"] = "";
  if (!as_written || sha256(json.dump()) != want)
    throw Error(ErrorCode::corrupt, fmt::format("'{}' differs from its own SHA-256", file),
                "use another checkpoint of the run: `gigatrain ckpt ls` lists them");
}

// After the hash, which is the same in all versions: a flipped bit is damage.
void require_version(const JsonFields& fields, const std::string& file) {
  if (const std::int64_t version = fields.integer("version"); version != kCheckpointVersion)
    throw OtherVersion(
        ErrorCode::corrupt,
        fmt::format("'{}' has checkpoint version {}, this build (gigatrain {}) reads version {}",
                    file, version, GIGATRAIN_VERSION, kCheckpointVersion),
        "use the gigatrain version that wrote it, or a newer one");
}

}  // namespace

std::string manifest_to_json(const Manifest& manifest) {
  Json files = Json::array(), tensors = Json::object();
  for (const auto& [name, f] : manifest.files)
    files.push_back({{"name", name}, {"bytes", f.bytes}, {"sha256", f.sha256}});
  for (const auto& [name, record] : manifest.tensors) tensors[name] = to_json(record);
  Json json = {{"format", kFormat},
               {"version", kCheckpointVersion},
               {"library_version", GIGATRAIN_VERSION},
               {"step", manifest.step},
               {"layout", {{"ranks", manifest.ranks}}},
               {"files", files},
               {"tensors", tensors},
               {"sha256", ""}};
  json["sha256"] = sha256(json.dump());
  return json.dump(2) + "\n";
}

Manifest manifest_from_json(std::string_view text, const std::string& file) {
  const Json json = parse_sorted_json(text, file);
  const JsonFields fields(json, file);
  require_format(fields, file);
  require_own_hash(json, text, file);
  require_version(fields, file);
  Manifest manifest;
  manifest.step = fields.integer("step");
  manifest.ranks = JsonFields(fields.object("layout"), file).integer("ranks");
  for (const auto& entry : fields.list("files"))
    if (!manifest.files.insert(parse_file(entry, file)).second)
      throw Error(ErrorCode::corrupt, fmt::format("'{}' lists a file twice", file));
  for (const auto& [name, entry] : fields.object("tensors").items())
    manifest.tensors[name] = parse_record(entry, file);
  return manifest;
}

Manifest read_manifest(const std::string& folder) {
  const std::string path = folder + "/" + kManifest;
  if (!leads_to_folder(folder))
    throw Error(ErrorCode::io, fmt::format("there is no checkpoint folder '{}'", folder),
                "`gigatrain ckpt ls RUN` lists the checkpoints of a run");
  if (!exists(path))
    throw Error(ErrorCode::corrupt,
                fmt::format("'{}' is missing: the checkpoint is not whole", path),
                "use another checkpoint of the run: `gigatrain ckpt ls` lists them");
  return manifest_from_json(read_small_file(path, 1 << 30), path);
}

bool covers(const Manifest::Record& record) {
  std::int64_t at = 0;
  for (const auto& slice : record.slices) {
    if (slice.begin != at || slice.end < at) return false;
    at = slice.end;
  }
  return at == record.shape.numel();
}

}  // namespace gigatrain
