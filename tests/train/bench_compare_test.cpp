// Two files of a benchmark side by side; what is not such a file is refused.

#include "gigatrain/train/bench_compare.h"

#include <catch2/catch.hpp>

#include <filesystem>

#include "gigatrain/base/error.h"
#include "support/tiny_run.h"

using namespace gigatrain;
using Catch::Matchers::Contains;

namespace {

struct Files {
  test::TempFolder folder;
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    return folder / name;
  }
};

std::string kernels_file(const std::string& rows) {
  return R"({"bench":"kernels","device":"A","kernels":[)" + rows + "]}";
}
std::string kernel(const std::string& name, const std::string& ms) {
  return R"({"name":")" + name + R"(","shape":"8 x 4","dtype":"f32","ms":)" + ms + "}";
}
std::string step_file(const std::string& ms, const std::string& rows,
                      const std::string& dtype = "f32", const std::string& outside = "5") {
  return R"({"bench":"step","device":"A","parameters":9,"dtype":")" + dtype +
         R"(","leaves":1,"micro_batches":1,"micro_batch":2,"seq_len":8,"ms":)" + ms +
         R"(,"outside_ms":)" + outside + R"(,"families":[)" + rows + "]}";
}
std::string family(const std::string& name, const std::string& ms) {
  return R"({"name":")" + name + R"(","ms":)" + ms + "}";
}

std::vector<std::string> names(const std::vector<BenchChange>& changes) {
  std::vector<std::string> all;
  for (const auto& c : changes) all.push_back(c.name);
  return all;
}
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("compare: kernels, the largest ratio first", "[unit][train][bench]") {
  Files f;
  const auto before =
      f.write("a", kernels_file(kernel("add", "1") + "," + kernel("exp", "4") + "," +
                                kernel("gemm", "10") + "," + kernel("old", "1")));
  const auto after =
      f.write("b", kernels_file(kernel("gemm", "10.5") + "," + kernel("exp", "1") + "," +
                                kernel("add", "1.5") + "," + kernel("new", "1")));
  const BenchComparison c = compare_benches(before, after);
  CHECK(c.bench == "kernels");
  CHECK(names(c.changes) == Names{"exp, 8 x 4, f32", "add, 8 x 4, f32", "gemm, 8 x 4, f32"});
  CHECK(c.changes[0].ratio() == 0.25);
  CHECK(c.only_before == Names{"old, 8 x 4, f32"});
  CHECK(c.only_after == Names{"new, 8 x 4, f32"});
  CHECK(names(c.slower(0.1)) == Names{"add, 8 x 4, f32"});
  CHECK(names(c.slower(0.01)) == Names{"add, 8 x 4, f32", "gemm, 8 x 4, f32"});
  CHECK(c.slower(0.5).empty());
  CHECK(compare_benches(before, before).slower(0).empty());
}

TEST_CASE("compare: of a step what changed most milliseconds", "[unit][train][bench]") {
  Files f;
  const auto before =
      f.write("a", step_file("1000", family("gemm", "800") + "," + family("adamw", "100") + "," +
                                         family("copy", "0.5")));
  const auto after =
      f.write("b", step_file("900", family("copy", "8") + "," + family("gemm", "650") + "," +
                                        family("adamw", "130")));
  const BenchComparison c = compare_benches(before, after);
  CHECK(names(c.changes) == Names{"step", "gemm", "adamw", "copy", "outside kernels"});
  CHECK(c.changes[0].ratio() == 0.9);
  // copy is 16 times as slow, and less than a hundredth of both steps.
  CHECK(names(c.slower(0.1)) == Names{"adamw"});
  CHECK(names(compare_benches(after, before).slower(0.1)) == Names{"step", "gemm"});
  // No time outside kernels has no ratio.
  const auto none = f.write("c", step_file("900", family("gemm", "650"), "f32", "0"));
  CHECK(compare_benches(before, none).only_before == Names{"adamw", "copy", "outside kernels"});
}

TEST_CASE("compare: what cannot be compared is refused", "[unit][train][bench]") {
  Files f;
  const auto good = f.write("good", kernels_file(kernel("add", "1")));
  const auto timed = f.write("step", step_file("10", family("add", "1")));
  const auto refused = [&](const std::string& text, const std::string& why) {
    INFO(text.substr(0, 200));
    const auto bad = f.write("bad", text);
    for (const bool first : {true, false}) try {
        first ? compare_benches(bad, good) : compare_benches(good, bad);
        FAIL("no error");
      } catch (const Error& e) {
        CHECK(e.code() == ErrorCode::data);
        CHECK_THAT(e.message(), Contains(why));
        CHECK_THAT(e.next(), Contains("bench kernels --json"));
      }
  };
  refused("", "not valid JSON");
  refused("[]", "expected a JSON object");
  refused("{\"device\":\"A\"}", "'bench' must be present");
  refused(R"({"bench":"ops\u0007","device":"A"})", "got 'ops?'");
  refused(R"({"bench":"kernels","bench":"step"})", "stands twice");
  refused(R"({"bench":"kernels","device":"A","kernels":{}})", "'kernels' must be a list");
  refused(kernels_file("7"), "expected a JSON object");
  refused(kernels_file(kernel("add", "\"1\"")), "'ms' must be a number");
  refused(kernels_file(kernel("add", "0")), "above 0");
  refused(kernels_file(kernel("add", "-1")), "above 0");
  refused(kernels_file(kernel("add", "null")), "above 0");
  refused(kernels_file(kernel("add", "1e999")), "not valid JSON");
  refused(kernels_file(kernel("add", "1") + "," + kernel("add", "2")), "in it twice");
  refused(std::string(100, '['), "nest at most");
  refused(std::string((16 << 20) + 1, ' '), "at most 16777216 are read");
  CHECK_THROWS_WITH(compare_benches(good, f.folder / "none"), Contains("No such file"));
  CHECK_THROWS_WITH(compare_benches(good, f.folder.path()), Contains("it is a folder"));
  CHECK_THROWS_WITH(compare_benches(good, timed), Contains("of `bench step`, the first file of"));
  CHECK_THROWS_WITH(compare_benches(timed, f.write("other", step_file("9", "", "bf16"))),
                    Contains("bf16, 1 x 1 x 2 x 8 tokens, the first file"));
  CHECK_THROWS_WITH(compare_benches(good, f.write("others", kernels_file(kernel("sub", "1")))),
                    Contains("no kernel in common"));
}
