// Every byte of a checkpoint counts. Whatever is changed, cut, lengthened or exchanged in any file
// of it is found before a tensor can be read, the file is named, and the checkpoint before is used.
// Files are those that the folder holds, whatever their names.
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "gigatrain/base/error.h"
#include "train/atomic_file.h"
#include "train/tiny_checkpoint.h"

using namespace gigatrain;
using namespace gigatrain::testing;
using Catch::Contains;

namespace {

struct TwoSteps {
  TemporaryFolder root;
  TinyState tiny;
  std::string older = write_checkpoint(root / "ckpt", tiny.at(1));
  std::string newer = write_checkpoint(root / "ckpt", tiny.at(2));

  std::string read(const std::string& name) const {
    return root.read("ckpt/step_00000002/" + name);
  }
  void write(const std::string& name, const std::string& bytes) const {
    root.write("ckpt/step_00000002/" + name, bytes);
  }
};

// A file of the newer step, changed in place: file systems sync one that is written anew.
class Patched {
 public:
  Patched(const TwoSteps& steps, const std::string& name)
      : file_(::open((steps.newer + "/" + name).c_str(), O_RDWR)), whole_(steps.read(name)) {
    REQUIRE(file_ >= 0);
    REQUIRE(!whole_.empty());
  }
  ~Patched() { ::close(file_); }
  Patched(const Patched&) = delete;
  Patched& operator=(const Patched&) = delete;

  std::size_t size() const { return whole_.size(); }
  void put(std::size_t at, char byte) const {
    REQUIRE(::pwrite(file_, &byte, 1, static_cast<off_t>(at)) == 1);
  }
  void flip(std::size_t at, int mask) const { put(at, static_cast<char>(whole_[at] ^ mask)); }
  void mend(std::size_t at) const { put(at, whole_[at]); }
  void cut(std::size_t size) const { REQUIRE(::ftruncate(file_, static_cast<off_t>(size)) == 0); }

 private:
  int file_;
  std::string whole_;
};

// Why the newer one is refused, as newest_whole tells it when it takes the older; "" if it is used.
std::string fallen_back(const TwoSteps& steps) {
  std::vector<std::string> warnings;
  const Checkpoint used = newest_whole(steps.root.path(), &warnings);
  if (warnings.empty()) return {};
  CHECK(used.state().step == 1);
  CHECK(first_weight(used) == 1);
  CHECK(warnings.size() == 1);
  return warnings[0];
}

// No CHECK, whose bookkeeping would be most of this test.
void require_named(const std::string& warning, const std::string& name, std::size_t at) {
  if (warning.find("skipped damaged checkpoint step_00000002") != std::string::npos &&
      warning.find(name) != std::string::npos)
    return;
  FAIL(name << ", byte " << at << " of it: " << warning);
}

}  // namespace

TEST_CASE("every byte: flipped", "[exhaustive][every_byte]") {
  const TwoSteps steps;
  REQUIRE(fallen_back(steps).empty());
  for (const auto& name : names_in(steps.newer)) {
    const Patched file(steps, name);
    for (std::size_t at = 0; at < file.size(); ++at) {
      for (const int mask : {0xff, 1 << at % 8, ' ' ^ '\n'}) {
        file.flip(at, mask);
        require_named(fallen_back(steps), name, at);
      }
      file.mend(at);
    }
  }
  CHECK(fallen_back(steps).empty());
}

TEST_CASE("every byte: cut and lengthened", "[unit][every_byte]") {
  const TwoSteps steps;
  for (const auto& name : names_in(steps.newer)) {
    const Patched file(steps, name);
    for (const char more : {'\n', ' ', '}', '\0'}) {
      file.put(file.size(), more);
      require_named(fallen_back(steps), name, file.size());
    }
    for (std::size_t n = file.size(); n-- > 0;) {
      file.cut(n);
      require_named(fallen_back(steps), name, n);
    }
    for (std::size_t at = 0; at < file.size(); ++at) file.mend(at);
  }
  CHECK(fallen_back(steps).empty());
}

TEST_CASE("every byte: a file is missing", "[unit][every_byte]") {
  const TwoSteps steps;
  for (const auto& name : names_in(steps.newer)) {
    const std::string whole = steps.read(name);
    std::filesystem::remove(steps.newer + "/" + name);
    require_named(fallen_back(steps), name, 0);
    steps.write(name, whole);
  }
  CHECK(fallen_back(steps).empty());
}

TEST_CASE("every byte: files exchanged between two steps", "[unit][every_byte]") {
  const TwoSteps steps;
  int differ = 0;
  for (const auto& name : names_in(steps.newer)) {
    const std::string ours = steps.read(name),
                      theirs = steps.root.read("ckpt/step_00000001/" + name);
    if (ours == theirs) continue;
    ++differ;
    INFO(name);
    steps.write(name, theirs);
    steps.root.write("ckpt/step_00000001/" + name, ours);
    for (const auto& folder : {steps.older, steps.newer})
      CHECK_THROWS_WITH(Checkpoint::open(folder), Contains(folder + "/"));
    CHECK_THROWS_WITH(newest_whole(steps.root.path()), Contains("none of them whole"));
    steps.write(name, ours);
    steps.root.write("ckpt/step_00000001/" + name, theirs);
  }
  CHECK(differ >= 3);  // weights, state.json, the manifest
  CHECK(fallen_back(steps).empty());
}
