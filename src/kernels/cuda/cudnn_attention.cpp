// Attention by cuDNN: its fused forward and backward, through the header-only cudnn-frontend. Both
// are reproducible: the backward is asked for its deterministic algorithm (see attention_slices.h
// for its price). The softmax statistics of cuDNN are ours: log of the sum of exp of the scaled
// scores, f32 (B, H, Tq, 1); its backward takes exp(score - statistic) (cudnn-frontend,
// scaled_dot_product_flash_attention.h, "sub_s_m").
//
// Sequences of different lengths in one row (ragged offsets) have no place in kernels/attention.h.
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
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <map>
#include <unordered_map>

#include "gigatrain/base/error.h"
#include "kernels/cuda/attention_slices.h"
#include "runtime/cuda/cuda_queue.h"

namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;  // what the frontend's dynamic loading asks its user to define
}

namespace gigatrain::kernels::cuda {

namespace {

namespace fe = cudnn_frontend;
using fe::graph::Tensor_attributes;

// Older ones have errors in the backward, by the frontend's own list.
constexpr std::size_t kOldestVersion = 91002;

// Of tensors, in the graph and in the pack of pointers.
enum Uid : std::int64_t { kQ = 1, kK, kV, kOut, kLse, kDout, kDq, kDk, kDv };

// One call's problem: `batch` sequences.
struct Key {
  bool backward = false, causal = false, lse = false;
  std::int64_t batch = 0, h = 0, h_kv = 0, tq = 0, tk = 0, d = 0;
  std::uint32_t scale = 0;                             // bits
  std::array<std::array<std::int64_t, 3>, 8> steps{};  // b, h, t of q, k, v, out, dout, ...

  auto operator<=>(const Key&) const = default;
  std::string text() const {
    return fmt::format("attention {} {}{}batch {} heads {}/{} queries {} keys {} dim {}",
                       backward ? "backward" : "forward", causal ? "causal " : "",
                       lse ? "lse " : "", batch, h, h_kv, tq, tk, d);
  }
};

// Steps (b, h, t) of a view, with those of a packed one where a size of 1 lets a view claim any.
std::array<std::int64_t, 3> steps_of(const Heads& x, std::int64_t batch, std::int64_t heads,
                                     std::int64_t t, std::int64_t d) {
  const std::int64_t h_step = heads > 1 ? x.h_step : d;
  const std::int64_t t_step = t > 1 ? x.t_step : heads * h_step;
  return {batch > 1 ? x.b_step : t * t_step, h_step, t_step};
}

Key key_of(const AttentionProblem& p, std::int64_t batch, bool backward) {
  Key key{.backward = backward,
          .causal = p.causal,
          .lse = p.lse != nullptr,
          .batch = batch,
          .h = p.h,
          .h_kv = p.h_kv,
          .tq = p.tq,
          .tk = p.tk,
          .d = p.d,
          .scale = std::bit_cast<std::uint32_t>(p.scale)};
  const auto q_like = [&](const Heads& x) { return steps_of(x, batch, p.h, p.tq, p.d); };
  const auto k_like = [&](const Heads& x) { return steps_of(x, batch, p.h_kv, p.tk, p.d); };
  key.steps[0] = q_like(p.q), key.steps[1] = k_like(p.k);
  key.steps[2] = k_like(p.v), key.steps[3] = q_like(p.out);
  if (backward) {
    key.steps[4] = q_like(p.dout), key.steps[5] = q_like(p.dq);
    key.steps[6] = k_like(p.dk), key.steps[7] = k_like(p.dv);
  }
  return key;
}

using TensorPtr = std::shared_ptr<Tensor_attributes>;

// A graph of one operation.
class GraphOf {
 public:
  GraphOf(const Key& key, int compute_capability)
      : key_(key), graph_(std::make_shared<fe::graph::Graph>()) {
    graph_->set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT)
        .set_sm_version(compute_capability);
    if (key.backward)
      backward();
    else
      forward();
  }
  std::shared_ptr<fe::graph::Graph> graph() const { return graph_; }

 private:
  bool of_keys(Uid uid) const { return uid == kK || uid == kV || uid == kDk || uid == kDv; }
  void place(Tensor_attributes& t, Uid uid, int view) const {
    const auto& s = key_.steps[static_cast<std::size_t>(view)];
    const std::int64_t heads = of_keys(uid) ? key_.h_kv : key_.h;
    const std::int64_t length = of_keys(uid) ? key_.tk : key_.tq;
    t.set_uid(uid)
        .set_data_type(fe::DataType_t::BFLOAT16)
        .set_dim({key_.batch, heads, length, key_.d})
        .set_stride({s[0], s[1], s[2], 1});
  }
  void place_lse(Tensor_attributes& t) const {
    t.set_uid(kLse)
        .set_data_type(fe::DataType_t::FLOAT)
        .set_dim({key_.batch, key_.h, key_.tq, 1})
        .set_stride({key_.h * key_.tq, key_.tq, 1, 1});
  }
  TensorPtr input(Uid uid, int view) {
    Tensor_attributes t;
    place(t, uid, view);
    return graph_->tensor(t);
  }
  void output(const TensorPtr& t, Uid uid, int view) const {
    place(*t, uid, view);
    t->set_output(true);
  }
  // Query t sees keys s <= t + (Tk - Tq).
  template <class Options>
  Options options() const {
    Options o;
    o.set_name("attention").set_attn_scale(std::bit_cast<float>(key_.scale));
    if (key_.causal)
      o.set_diagonal_alignment(key_.tk > key_.tq ? fe::DiagonalAlignment_t::BOTTOM_RIGHT
                                                 : fe::DiagonalAlignment_t::TOP_LEFT)
          .set_diagonal_band_right_bound(0);
    return o;
  }

  void forward() {
    auto o = options<fe::graph::SDPA_attributes>();
    o.set_generate_stats(key_.lse);
    const auto [out, lse] = graph_->sdpa(input(kQ, 0), input(kK, 1), input(kV, 2), o);
    output(out, kOut, 3);
    if (!key_.lse) return;
    place_lse(*lse);
    lse->set_output(true);
  }
  void backward() {
    auto o = options<fe::graph::SDPA_backward_attributes>();
    o.set_deterministic_algorithm(true);
    Tensor_attributes lse;
    place_lse(lse);
    const auto [dq, dk, dv] =
        graph_->sdpa_backward(input(kQ, 0), input(kK, 1), input(kV, 2), input(kOut, 3),
                              input(kDout, 4), graph_->tensor(lse), o);
    output(dq, kDq, 5);
    output(dk, kDk, 6);
    output(dv, kDv, 7);
  }

  const Key& key_;
  std::shared_ptr<fe::graph::Graph> graph_;
};

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
  const Plan& plan(const Key& key);
  void execute(const Plan& plan, const AttentionProblem& p, std::int64_t first, bool backward,
               void* workspace);

  CudaQueue& queue_;
  cudnnHandle_t handle_ = nullptr;
  std::string missing_, refused_;
  std::map<Key, Plan> plans_;
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

const Plan& Attention::plan(const Key& key) {
  if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
  Plan plan;
  try {
    plan.graph = GraphOf(key, queue_.compute_capability()).graph();
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

void Attention::execute(const Plan& plan, const AttentionProblem& p, std::int64_t first,
                        bool backward, void* workspace) {
  const auto from = [&](const Heads& x) -> void* {
    return static_cast<bf16*>(x.data) + first * x.b_step;
  };
  std::unordered_map<std::int64_t, void*> pack = {
      {kQ, from(p.q)}, {kK, from(p.k)}, {kV, from(p.v)}, {kOut, from(p.out)}};
  if (p.lse) pack[kLse] = p.lse + first * p.h * p.tq;
  if (backward) {
    pack[kDout] = from(p.dout), pack[kDq] = from(p.dq);
    pack[kDk] = from(p.dk), pack[kDv] = from(p.dv);
  }
  if (auto status = plan.graph->execute(handle_, pack, workspace); status.is_bad())
    throw Error(ErrorCode::device,
                fmt::format("cuDNN failed to run {}: {}", key_of(p, p.b, backward).text(),
                            status.get_message()),
                "run again with portable attention; CUDNN_LOGLEVEL_DBG=2 and "
                "CUDNN_LOGDEST_DBG=stderr show the library's own reason");
}

bool Attention::run(const AttentionProblem& p, bool backward) {
  if (!missing_.empty()) return false;
  const auto slices = attention_slices(p, backward);
  if (!slices) return false;
  const std::int64_t rest = p.b % slices->batch;
  const Plan& whole = plan(key_of(p, slices->batch, backward));
  const Plan& last = rest ? plan(key_of(p, rest, backward)) : whole;
  if (!whole.graph || !last.graph) return false;
  const Storage workspace = queue_.scratch(
      std::max({slices->workspace, whole.workspace, last.workspace}), kAttentionWorkspaceName);
  for (std::int64_t first = 0; first < p.b; first += slices->batch)
    execute(first + slices->batch <= p.b ? whole : last, p, first, backward, workspace.data());
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
