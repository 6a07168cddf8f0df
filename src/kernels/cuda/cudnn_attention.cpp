// Attention by cuDNN: its fused forward and backward, through the header-only cudnn-frontend. Both
// are reproducible: the backward is asked for its deterministic algorithm (see attention_slices.h
// for its price). The softmax statistics of cuDNN are ours: log of the sum of exp of the scaled
// scores, f32 (B, H, Tq, 1); its backward takes exp(score - statistic) (cudnn-frontend,
// scaled_dot_product_flash_attention.h, "sub_s_m").
#include "kernels/cuda/attention_native.h"

#if !defined(GT_CUDNN)

namespace gigatrain::kernels::cuda {

bool native_attention(CudaQueue&, const AttentionForward&) {
  return false;
}
bool native_attention(CudaQueue&, const AttentionBackward&) {
  return false;
}
std::string attention_engine(CudaQueue&) {
  return "our own kernels: this build had no cudnn-frontend headers";
}

}  // namespace gigatrain::kernels::cuda

#else

#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#define CUDNN_FRONTEND_SKIP_JSON_LIB
#include <cudnn_frontend.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <unordered_map>
#include <vector>

#include "gigatrain/base/error.h"
#include "kernels/cuda/attention_graph.h"
#include "runtime/cuda/cuda_queue.h"

namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;  // what the frontend's dynamic loading asks its user to define
}

namespace gigatrain::kernels::cuda {

namespace {

// Older ones have errors in the backward, by the frontend's own list.
constexpr std::size_t kOldestVersion = 91002;

struct Plan {
  std::shared_ptr<fe::graph::Graph> graph;  // null: cuDNN has none
  std::int64_t workspace = 0;
  std::string name;  // engine and its settings, or why there is none
};

// cuDNN on one queue.
class Attention : public CudaQueue::FamilyState {
 public:
  explicit Attention(CudaQueue& queue) : queue_(queue) {
    try {
      missing_ = start();
    } catch (const std::exception& e) {  // the frontend throws where a library lacks a function
      missing_ = e.what();
    }
  }
  ~Attention() override {
    plans_.clear();
    if (handle_) fe::detail::destroy_handle(handle_);
  }
  Attention(const Attention&) = delete;
  Attention& operator=(const Attention&) = delete;

  bool run(const AttentionProblem& p, bool backward);

  std::string engine() const {
    if (!missing_.empty()) return "our own kernels: " + missing_;
    std::string text = "cuDNN " + fe::detail::get_backend_version_string();
    if (!refused_.empty()) text += "; not for every problem: " + refused_;
    return text;
  }
  // For the record: cuDNN's choice is a function of the problem, its version and the GPU.
  void save(std::map<std::string, std::string>& all) const override {
    for (const auto& [key, plan] : plans_)
      if (plan.graph) all[key.text()] = plan.name;
  }

 private:
  std::string start();  // why it cannot be used, or nothing
  const Plan& plan(const AttentionKey& key);
  bool run_sequences(const AttentionProblem& p, const AttentionSlices& slices, bool backward);
  void execute(const Plan& plan, const AttentionKey& key,
               std::unordered_map<std::int64_t, void*> pack, void* workspace);

  CudaQueue& queue_;
  cudnnHandle_t handle_ = nullptr;
  std::string missing_, refused_;
  std::map<AttentionKey, Plan> plans_;
};

std::string Attention::start() {
  if (queue_.options().portable_attention) return "attention is set to portable";
  void* cudnn = load_nvidia_library("libcudnn.so.9");
  if (!cudnn) return "libcudnn.so.9 is not found (pip install nvidia-cudnn-cu13)";
  // The frontend opens the CUDA runtime by name, any version; cuDNN the compiler of kernels.
  if (!load_nvidia_library("libcudart.so.13"))
    return "libcudart.so.13 is not found (pip install nvidia-cuda-runtime)";
  setenv("CUDNN_FRONTEND_CUDART_LIB_NAME", "libcudart.so.13", /*overwrite=*/0);
  load_nvidia_library("libnvrtc.so.13");
  fe::cudnn_dlhandle = cudnn;
  if (fe::detail::get_backend_version() < kOldestVersion)
    return fmt::format("cuDNN {} is older than 9.10.2", fe::detail::get_backend_version_string());
  if (const auto status = fe::detail::create_handle(&handle_); status != CUDNN_STATUS_SUCCESS)
    return fmt::format("cuDNN does not start ({})", fe::detail::get_error_string(status));
  if (const auto status =
          fe::detail::set_stream(handle_, static_cast<cudaStream_t>(queue_.stream()));
      status != CUDNN_STATUS_SUCCESS)
    return fmt::format("cuDNN refuses our stream ({})", fe::detail::get_error_string(status));
  return "";
}

const Plan& Attention::plan(const AttentionKey& key) {
  if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
  Plan plan;
  try {
    plan.graph = AttentionGraph(key, queue_.compute_capability()).graph();
    auto status = plan.graph->build(handle_, {fe::HeurMode_t::A});
    if (status.is_good()) status = plan.graph->get_workspace_size(plan.workspace);
    if (status.is_good()) status = plan.graph->get_plan_name(plan.name);
    if (status.is_bad()) plan = {.graph = nullptr, .workspace = 0, .name = status.get_message()};
  } catch (const std::exception& e) {
    plan = {.graph = nullptr, .workspace = 0, .name = e.what()};
  }
  if (!plan.graph) refused_ = fmt::format("{}: {}", key.text(), plan.name);
  return plans_.emplace(key, std::move(plan)).first->second;
}

void Attention::execute(const Plan& plan, const AttentionKey& key,
                        std::unordered_map<std::int64_t, void*> pack, void* workspace) {
  if (auto status = plan.graph->execute(handle_, pack, workspace); status.is_bad())
    throw Error(ErrorCode::device,
                fmt::format("cuDNN failed to run {}: {}", key.text(), status.get_message()),
                "run again with portable attention; CUDNN_LOGLEVEL_DBG=2 and "
                "CUDNN_LOGDEST_DBG=stderr show the library's own reason");
}

// The problem's tensors from sequence `first` on.
std::unordered_map<std::int64_t, void*> pointers(const AttentionProblem& p, std::int64_t first,
                                                 bool backward) {
  const auto from = [&](const Heads& x) -> void* {
    return static_cast<char*>(x.data) + first * x.b_step * size_of(p.dtype);
  };
  std::unordered_map<std::int64_t, void*> pack = {
      {kQ, from(p.q)}, {kK, from(p.k)}, {kV, from(p.v)}, {kOut, from(p.out)}};
  if (p.lse) pack[kLse] = p.lse + first * p.h * p.tq;
  if (backward) {
    pack[kDout] = from(p.dout), pack[kDq] = from(p.dq);
    pack[kDk] = from(p.dk), pack[kDv] = from(p.dv);
  }
  return pack;
}

// The tables of all calls, each call's as (kAttentionTables, attention_table(batch)): the lengths,
// then the offsets in order of the tensors' uids. A sequence past the last is empty, at the end.
std::vector<std::int32_t> sequence_tables(const AttentionProblem& p, const AttentionSlices& slices,
                                          const AttentionKey& key) {
  std::vector<std::int64_t> starts{0};  // of sequences that are not empty, and the end
  for (std::int64_t i = 1; i <= p.sequences; ++i)
    if (p.offsets[i] > starts.back()) starts.push_back(p.offsets[i]);
  const auto start = [&](std::int64_t sequence) {
    const auto last = static_cast<std::int64_t>(starts.size()) - 1;
    return starts[static_cast<std::size_t>(std::min(sequence, last))];
  };
  const std::int64_t width = attention_table(slices.batch);
  std::vector<std::int32_t> all(static_cast<std::size_t>(slices.calls * kAttentionTables * width));
  auto* table = all.data();
  for (std::int64_t call = 0; call < slices.calls; ++call) {
    const std::int64_t first = call * slices.batch;
    for (std::int64_t i = 0; i < slices.batch; ++i)
      table[i] = static_cast<std::int32_t>(start(first + i + 1) - start(first + i));
    table += width;
    for (std::int64_t uid = kQ; uid <= kLse; ++uid, table += width)
      for (std::int64_t i = 0; i <= slices.batch; ++i)
        table[i] = static_cast<std::int32_t>(start(first + i) * key.t_step(Uid(uid)));
  }
  return all;
}

// Sequences of different lengths: calls of one plan, which differ in their tables.
bool Attention::run_sequences(const AttentionProblem& p, const AttentionSlices& slices,
                              bool backward) {
  const AttentionKey key = key_of(p, slices.batch, slices.length, backward);
  const Plan& one = plan(key);
  if (!one.graph) return false;
  const std::vector<std::int32_t> tables = sequence_tables(p, slices, key);
  const auto bytes = static_cast<std::int64_t>(tables.size() * sizeof(std::int32_t));
  const Storage memory =
      queue_.scratch(std::max(slices.workspace, bytes + one.workspace), kAttentionWorkspaceName);
  queue_.upload(memory.data(), tables.data(), bytes);
  const std::int64_t width = attention_table(slices.batch);
  auto* table = static_cast<std::int32_t*>(memory.data());
  auto pack = pointers(p, 0, backward);
  void* const workspace = table + tables.size();
  for (std::int64_t call = 0; call < slices.calls; ++call, table += kAttentionTables * width) {
    pack[kLengthsQ] = pack[kLengthsK] = table;
    for (std::int64_t uid = kQ; uid <= kLse; ++uid)
      if (pack.contains(uid) && key.offsets_of(Uid(uid)) == uid)
        pack[kOffsets + uid] = table + (1 + uid - kQ) * width;
    execute(one, key, pack, workspace);
  }
  queue_.check_launch();
  return true;
}

bool Attention::run(const AttentionProblem& p, bool backward) {
  if (!missing_.empty()) return false;
  const auto slices = attention_slices(p, backward);
  if (!slices) return false;
  if (p.offsets) return run_sequences(p, *slices, backward);
  const std::int64_t rest = p.b % slices->batch;
  const AttentionKey key = key_of(p, slices->batch, 0, backward);
  const Plan& whole = plan(key);
  const Plan& last = rest ? plan(key_of(p, rest, 0, backward)) : whole;
  if (!whole.graph || !last.graph) return false;
  const Storage workspace = queue_.scratch(
      std::max({slices->workspace, whole.workspace, last.workspace}), kAttentionWorkspaceName);
  for (std::int64_t first = 0; first < p.b; first += slices->batch)
    execute(first + slices->batch <= p.b ? whole : last, key, pointers(p, first, backward),
            workspace.data());
  queue_.check_launch();
  return true;
}

Attention& attention_of(CudaQueue& queue) {
  return queue.family<Attention>(CudaQueue::attention_family);
}

}  // namespace

bool native_attention(CudaQueue& queue, const AttentionForward& args) {
  return attention_of(queue).run(check_attention(args), false);
}
bool native_attention(CudaQueue& queue, const AttentionBackward& args) {
  return attention_of(queue).run(check_attention(args), true);
}
std::string attention_engine(CudaQueue& queue) {
  return attention_of(queue).engine();
}

}  // namespace gigatrain::kernels::cuda

#endif
