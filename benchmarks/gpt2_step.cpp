// One training step of GPT-2 124M: tokens a second and the percentage of the device's measured
// matrix-product rate.
//
//   gpt2_step [f32|bf16] [micro_batch] [steps] [--device cpu|cuda] [--seq-len T] [--profile]
//   [--measure] [--tf32]
//
// --profile: one more step with a marker around each kernel, and the time of each kernel family.

#include <cstdio>
#include <cstdlib>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gigatrain/gigatrain.h"
#include "gigatrain/train/machine_limit.h"

using namespace gigatrain;

namespace {

struct Options {
  DType dtype = DType::f32;
  std::int64_t batch = 1, seq_len = 1024;
  int steps = 4;
  std::string device = "cpu";
  bool profile = false;
  CudaOptions cuda{};
};

Options parse(int argc, char** argv) {
  Options o;
  std::vector<std::string> plain;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--device" && i + 1 < argc)
      o.device = argv[++i];
    else if (word == "--seq-len" && i + 1 < argc)
      o.seq_len = std::atoll(argv[++i]);
    else if (word == "--profile")
      o.profile = true;
    else if (word == "--measure")
      o.cuda.measure = true;
    else if (word == "--tf32")
      o.cuda.tf32 = true;
    else
      plain.push_back(word);
  }
  if (!plain.empty()) o.dtype = parse_dtype(plain[0]);
  if (plain.size() > 1) o.batch = std::atoll(plain[1].c_str());
  if (plain.size() > 2) o.steps = std::atoi(plain[2].c_str());
  return o;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

// Times every kernel between two markers of the queue.
class Profile : public KernelObserver {
 public:
  explicit Profile(Device& device) : device_(device) {}
  void begin(const char* kernel) override { calls_.push_back({kernel, device_.mark(), nullptr}); }
  void end() override { calls_.back().after = device_.mark(); }

  void print(double step_ms) {
    std::map<std::string, std::pair<double, int>> families;
    double total = 0;
    for (const auto& c : calls_) {
      const double ms = c.after->ms_since(*c.before);
      auto& [sum, count] = families[c.kernel];
      sum += ms, ++count, total += ms;
    }
    std::vector<std::pair<std::string, std::pair<double, int>>> sorted(families.begin(),
                                                                       families.end());
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return a.second.first > b.second.first; });
    for (const auto& [name, cost] : sorted)
      std::printf("  %-22s %8.3f ms  %5.1f %%  %4d calls\n", name.c_str(), cost.first,
                  100 * cost.first / total, cost.second);
    std::printf("  all kernels            %8.3f ms, of a step of %.3f ms without markers\n", total,
                step_ms);
  }

 private:
  struct Call {
    const char* kernel;
    std::unique_ptr<Marker> before, after;
  };
  Device& device_;
  std::vector<Call> calls_;
};

int run(const Options& o) {
  const auto device = open_device(o.device, o.cuda);
  const auto model = nn::gpt({.n_positions = std::max<std::int64_t>(o.seq_len, 1024)});
  nn::materialize(*model, *device, {.compute = o.dtype});
  const auto parameters = nn::named_parameters(*model);
  optim::AdamW adamw(parameters);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(o.batch * o.seq_len));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 7919 % 50257);
  const Tensor tokens = Tensor::from<std::int32_t>(*device, {o.batch, o.seq_len}, ids);
  const double count = static_cast<double>(o.batch * o.seq_len);
  std::vector<double> seconds, rates, host;
  double loss = 0;
  Profile profile(*device);
  for (int step = 0; step < o.steps + (o.profile ? 1 : 0); ++step) {
    if (step == o.steps) device->stream().set_observer(&profile);
    // Beside every step on a CPU, whose neighbours are noisy.
    if (device->is_cpu() || step == 0) rates.push_back(measure_gemm(*device, o.dtype, 0.3));
    device->synchronize();
    const auto start = std::chrono::steady_clock::now();
    nn::BatchContext context{.training = true, .step = static_cast<std::uint32_t>(step)};
    const Tensor value = model->loss(tokens, tokens, 1.0 / count, context);
    backward(value);
    parallel::collect_gradients(parameters);
    adamw.step({.step = step + 1, .lr = 1e-4f, .clip = optim::clip_scale(parameters, 1.0f)});
    host.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    loss = value.item();
    device->synchronize();
    if (step == o.steps) break;
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  seconds.erase(seconds.begin());  // the first step allocates
  const double time = median(seconds), rate = median(rates);
  const double flops = model->flops_per_token(o.seq_len) * count;
  std::printf(
      "GPT-2 124M, %s, micro-batch %lld x %lld on %s: median step %.2f ms, %.0f tokens/s, %.0f "
      "GFLOP/s, %.0f %% of %.0f GFLOP/s; submitted in %.2f ms; peak memory %.2f GB; last loss "
      "%.4f\n",
      name(o.dtype), static_cast<long long>(o.batch), static_cast<long long>(o.seq_len),
      device->facts().model.c_str(), time * 1e3, count / time, flops / time / 1e9,
      100 * flops / time / rate, rate / 1e9, median(host) * 1e3,
      static_cast<double>(device->allocator().stats().total.peak) / 1e9, loss);
  device->stream().set_observer(nullptr);
  if (o.profile) profile.print(time * 1e3);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const Error& e) {
    std::fprintf(stderr, "error: %s\n  next: %s\n", e.what(), e.next().c_str());
    return 4;
  }
}
