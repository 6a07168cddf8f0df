// Opening files: names from files stay in their folder, and only regular files are read.
#include "train/read_file.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/safetensors.h"
#include "train/bounded.h"
#include "train/mapped_file.h"
#include "train/tiny_checkpoint.h"

using namespace gigatrain;
using namespace gigatrain::testing;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kLimit = 100;

std::string read_in(const std::string& folder, const std::string& name) {
  return OpenFile::open_in(folder, name).read(kLimit);
}

std::string refusal(const std::string& folder, const std::string& name) {
  return cost_of([&] { read_in(folder, name); }).refusal;
}

// A folder `in` with every kind of thing, and a secret beside it.
struct Zoo {
  TemporaryFolder outside;
  std::string in = outside / "in";

  Zoo() {
    fs::create_directory(in);
    fs::create_directory(in + "/folder");
    outside.write("secret", "secret");
    outside.write("in/file", "open");
    outside.write("in/folder/file", "deep");
    fs::create_symlink("../secret", in + "/link_out");
    fs::create_symlink("file", in + "/link_in");
    fs::create_symlink("link_round", in + "/link_round");
    fs::create_symlink("nowhere", in + "/link_dead");
    REQUIRE(::mkfifo((in + "/fifo").c_str(), 0600) == 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = in + "/socket";
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    const int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(::bind(s, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::close(s);
  }
};

void require_only_plain_files(const Zoo& zoo) {
  CHECK(read_in(zoo.in, "file") == "open");
  for (const std::string& name :
       {std::string("../secret"), std::string(".."), std::string("."), std::string(),
        zoo.outside / "secret", std::string("folder/file"), std::string("file\0x", 6),
        std::string("./file"), std::string("/"), std::string(300, 'a'), std::string("a b"),
        std::string("\x1b[2J")})
    CHECK_THAT(refusal(zoo.in, name), Contains("is no plain file name"));
  for (const char* name : {"link_out", "link_in", "link_round", "link_dead"})
    CHECK_THAT(refusal(zoo.in, name), Contains("is a link, expected a regular file"));
  for (const char* name : {"fifo", "socket"})
    CHECK_THAT(refusal(zoo.in, name), Contains("it is not a regular file"));
  CHECK_THAT(refusal(zoo.in, "folder"), Contains("it is a folder"));
  CHECK_THAT(refusal(zoo.in, "absent"), Contains("No such file"));
  CHECK_THAT(refusal("/dev", "zero"), Contains("it is not a regular file"));
  CHECK_THAT(refusal("/dev", "tty"), Contains("cannot read '/dev/tty'"));
}

// From now on this process has no openat2, as on older kernels.
void lose_openat2() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(code), code};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

}  // namespace

TEST_CASE("reading: names from files cannot leave their folder", "[unit][hostile]") {
  require_only_plain_files(Zoo{});
}

TEST_CASE("reading: the same without openat2", "[unit][hostile]") {
  const Zoo zoo;
  const auto without = [&](const std::string& name) {
    return cost_of([&] {
             lose_openat2();
             if (::syscall(SYS_openat2, -1, "", nullptr, 0) != -1 || errno != ENOSYS) std::abort();
             read_in(zoo.in, name);
           })
        .refusal;
  };
  CHECK(without("file").empty());
  CHECK_THAT(without("../secret"), Contains("is no plain file name"));
  for (const char* name : {"link_out", "link_in", "link_round", "link_dead"})
    CHECK_THAT(without(name), Contains("is a link, expected a regular file"));
  CHECK_THAT(without("fifo"), Contains("it is not a regular file"));
}

TEST_CASE("reading: sizes are checked before anything is allocated", "[unit][hostile]") {
  const TemporaryFolder f;
  CHECK(read_in(f.path(), (f.write("full", std::string(100, 'a')), "full")).size() == 100);
  CHECK_THAT(refusal(f.path(), (f.write("more", std::string(101, 'a')), "more")),
             Contains("must have at most 100 bytes, it has 101"));
  f.write("huge", "");
  fs::resize_file(f / "huge", std::uintmax_t{1} << 40);  // a hole
  const Cost cost = cost_of([&] { read_in(f.path(), "huge"); });
  CHECK_THAT(cost.refusal, Contains("it has 1099511627776"));
  if (kMeasures) CHECK(cost.bytes < 1 << 20);
}

TEST_CASE("reading: a file that is cut while it is read", "[unit][hostile]") {
  const TemporaryFolder f;
  f.write("x", "0123456789");
  const OpenFile file = OpenFile::open_in(f.path(), "x");
  fs::resize_file(f / "x", 4);
  CHECK_THROWS_WITH(file.read(kLimit), Contains("it was cut to 4 bytes while it was read"));
}

TEST_CASE("reading: a mapped file that is cut is named when the process ends", "[unit][hostile]") {
  if (!kMeasures) return;  // sanitizers have a handler of their own, which stays
  const TemporaryFolder f;
  const std::string path = f.write("x", std::string(10000, 'x')), said = f / "said";
  const pid_t child = ::fork();
  if (child == 0) {
    const MappedFile other = MappedFile::open("/proc/self/exe", ErrorCode::io);
    const MappedFile file = MappedFile::open(path, ErrorCode::io);
    if (!std::freopen(said.c_str(), "w", stderr)) ::_exit(3);
    fs::resize_file(path, 0);
    ::_exit(file.bytes().back());
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGBUS);
  CHECK_THAT(f.read("said"), Contains("'" + path + "' was cut") && !Contains("/proc/self/exe"));
}

TEST_CASE("reading: a checkpoint's names stay in it", "[unit][hostile]") {
  const TemporaryFolder root;
  TinyState tiny;
  const std::string folder = write_checkpoint(root / "ckpt", tiny.at(1));
  const fs::path elsewhere = root / "elsewhere";
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path file = entry.path();
    INFO(file);
    fs::rename(file, elsewhere);
    fs::create_symlink(elsewhere, file);  // the same bytes
    CHECK_THROWS_WITH(Checkpoint::open(folder),
                      Contains("is a link") && Contains(file.filename().string()));
    fs::remove(file);
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
    CHECK_THROWS_WITH(Checkpoint::open(folder),
                      Contains("not a regular file") && Contains(file.filename().string()));
    fs::remove(file);
    fs::rename(elsewhere, file);
  }
  CHECK(Checkpoint::open(root.path()).state().step == 1);
  fs::rename(folder, elsewhere);
  fs::create_directory_symlink(elsewhere, folder);
  CHECK_THROWS_WITH(Checkpoint::open(root.path()), Contains("is a link or a file"));
  CHECK(Checkpoint::open(elsewhere).state().step == 1);
}

TEST_CASE("reading: an index of shards names files in its folder only", "[unit][hostile]") {
  const TemporaryFolder f;
  const std::vector<float> w(2);
  fs::create_directory(f / "model");
  write_safetensors(f / "w.safetensors",
                    std::vector<NamedView>{{"w", {const_cast<float*>(w.data()), DType::f32, {2}}}});
  fs::create_symlink("../w.safetensors", f / "model/link.safetensors");
  for (const char* name : {"../w.safetensors", "a/b", "..", "", "w\\u0000.safetensors"}) {
    f.write("model/model.safetensors.index.json",
            std::string(R"({"weight_map":{"w":")") + name + "\"}}");
    CHECK_THROWS_WITH(ModelFiles::open(f / "model"), Contains("must be a plain name"));
  }
  f.write("model/model.safetensors.index.json", R"({"weight_map":{"w":"link.safetensors"}})");
  CHECK_THROWS_WITH(ModelFiles::open(f / "model"), Contains("is a link"));
}
