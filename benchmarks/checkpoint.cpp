// What a save costs: GPT-2 124M, f32 masters and AdamW, 1.5 GB of state. In turns, medians of five:
//   stall    the copy of the state that training waits for, beside a plain copy of as many bytes
//   write    by the background writer with training paused, beside `dd`'s way of writing them and
//            SHA-256 of them on one core
//   steps    training steps alone, and while checkpoints are written without a pause
//
//   nice -n -20 build/cpu/bin/checkpoint FOLDER [bf16|f32] [steps]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/median.h"
#include "gigatrain/nn/models/gpt.h"
#include "gigatrain/optim/make_optimizer.h"
#include "gigatrain/train/function_source.h"
#include "gigatrain/train/token_source.h"
#include "gigatrain/train/trainer.h"
#include "train/checkpoint_save.h"
#include "train/run_state.h"
#include "train/state_snapshot.h"

using namespace gigatrain;

namespace {

constexpr int kRounds = 5;
constexpr std::int64_t kSeqLen = 1024;

double ms_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

FunctionSource made_up_tokens() {
  const auto fill = [](std::int64_t step, std::int64_t, std::int64_t, FieldPointers out) {
    for (int field = 0; field < 2; ++field)
      for (std::int64_t i = 0; i < kSeqLen; ++i)
        static_cast<std::int32_t*>(out[static_cast<std::size_t>(field)])[i] =
            static_cast<std::int32_t>((step * 7919 + (i + field) * 31) % 50257);
  };
  return FunctionSource(fill,
                        {.name = "made up", .fields = token_fields(kSeqLen), .terms = "targets"});
}

struct Gpt2 {
  explicit Gpt2(DType compute) {
    nn::materialize(*model, device, {.compute = compute, .seed = 1});
    optimizer = optim::make_optimizer(nn::trainable_parameters(*model), {});
    trainer = std::make_unique<Trainer>(*model, *optimizer, data, TrainerOptions{.steps = 1 << 20});
  }
  CheckpointPart snapshot() { return copy.take(*model, *optimizer, *alone); }
  CheckpointSave save(const std::string& folder) {
    TrainState state;
    state.step = trainer->steps_done();
    return {FileSystem::real(),
            *alone,
            {.root = folder + "/ckpt",
             .texts = texts_of(*model, nullptr, state),
             .options = {.keep = 1}},
            snapshot()};
  }
  Device device;
  std::shared_ptr<nn::LanguageModel> model = nn::gpt({});
  std::unique_ptr<optim::Optimizer> optimizer;
  FunctionSource data = made_up_tokens();
  std::unique_ptr<Trainer> trainer;
  std::unique_ptr<Communicator> alone = make_local_communicator();
  StateSnapshot copy;
};

std::vector<TensorView> all_of(const CheckpointPart& part) {
  std::vector<TensorView> views;
  for (const auto& file : part.files)
    for (const auto& t : file.tensors) views.push_back(t.view);
  return views;
}

// One memcpy a thread.
void plain_copy(std::byte* to, const std::byte* from, std::size_t bytes, std::size_t threads) {
  std::vector<std::jthread> all;
  for (std::size_t t = 0; t < threads; ++t)
    all.emplace_back([=] {
      const std::size_t begin = bytes * t / threads, end = bytes * (t + 1) / threads;
      std::memcpy(to + begin, from + begin, end - begin);
    });
}

void print_stall(Gpt2& gpt, std::size_t bytes) {
  Allocator memory;
  Storage from(memory, static_cast<std::int64_t>(bytes), {}),
      to = Storage(memory, from.bytes(), {});
  auto* a = static_cast<std::byte*>(from.data());
  auto* b = static_cast<std::byte*>(to.data());
  std::memset(a, 1, bytes), std::memset(b, 1, bytes);
  const auto threads = static_cast<std::size_t>(gpt.device.pool().threads());
  const double first = ms_of([&] { gpt.snapshot(); });
  std::vector<double> stall, plain;
  for (int i = 0; i < kRounds; ++i) {
    plain.push_back(ms_of([&] { plain_copy(b, a, bytes, threads); }));
    stall.push_back(ms_of([&] { gpt.snapshot(); }));
  }
  fmt::print(
      "state {:.2f} GB\nstall: first {:.0f} ms, then {:.1f} ms; plain copy {:.1f} ms: {:.2f} x\n",
      static_cast<double>(bytes) / 1e9, first, median(stall), median(plain),
      median(stall) / median(plain));
}

void write_as_dd(const CheckpointPart& part, const std::string& path) {
  FileSystem& files = FileSystem::real();
  const int file = files.create(path);
  for (const auto& t : all_of(part))
    for (std::int64_t at = 0; at < t.bytes(); at += 1 << 20)
      files.write(file, static_cast<const std::byte*>(t.data) + at,
                  static_cast<std::size_t>(std::min<std::int64_t>(1 << 20, t.bytes() - at)), path);
  files.sync(file, path);
  files.close(file);
  files.remove_file(path);
}

void hash_all(const CheckpointPart& part) {
  Sha256 hash;
  for (const auto& t : all_of(part)) hash.add(t.data, static_cast<std::size_t>(t.bytes()));
  hash.hex();
}

void print_write(Gpt2& gpt, const std::string& folder, double bytes) {
  std::vector<double> write, dd, hash;
  for (int i = 0; i < kRounds; ++i) {
    const CheckpointPart part = gpt.snapshot();
    dd.push_back(ms_of([&] { write_as_dd(part, folder + "/dd"); }));
    hash.push_back(ms_of([&] { hash_all(part); }));
    auto save = gpt.save(folder);
    write.push_back(ms_of([&] { save.wait(); }));
  }
  const double best = std::max(median(dd), median(hash));
  fmt::print(
      "write: {:.2f} GB/s; written and synced {:.2f}, sha256 {:.2f}: {:.2f} of the smaller\n",
      bytes / median(write) / 1e6, bytes / median(dd) / 1e6, bytes / median(hash) / 1e6,
      best / median(write));
}

void print_steps(Gpt2& gpt, const std::string& folder, int steps, double bytes) {
  gpt.trainer->step();
  std::vector<double> alone, beside, writes;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < steps; ++i) alone.push_back(gpt.trainer->step().step_ms);
    auto save = gpt.save(folder);
    const auto start = std::chrono::steady_clock::now();
    for (bool over = false; !over;) {
      const double ms = gpt.trainer->step().step_ms;
      over = save.poll();
      if (!over) beside.push_back(ms);
    }
    writes.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
  }
  fmt::print(
      "steps: alone {:.0f} ms, while writing {:.0f} ms ({} steps): {:+.1f} %; a write takes "
      "{:.1f} s, {:.2f} GB/s\n",
      median(alone), median(beside), beside.size(), 100 * (median(beside) / median(alone) - 1),
      median(writes) / 1e3, bytes / median(writes) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return fmt::print(stderr, "usage: checkpoint FOLDER [bf16|f32] [steps]\n"), 2;
  const std::string folder = argv[1];
  Gpt2 gpt(argc > 2 && std::string(argv[2]) == "f32" ? DType::f32 : DType::bf16);
  std::size_t bytes = 0;
  for (const auto& t : all_of(gpt.snapshot())) bytes += static_cast<std::size_t>(t.bytes());
  gpt.copy = StateSnapshot();  // so that the first one is seen
  gpt.device.allocator().trim();
  print_stall(gpt, bytes);
  print_write(gpt, folder, static_cast<double>(bytes));
  print_steps(gpt, folder, argc > 3 ? std::stoi(argv[3]) : 6, static_cast<double>(bytes));
}
