// Matrix products by cuBLASLt: one algorithm for each problem, chosen once and kept, so that a
// product gives the same bits every time it is asked for.
//
// Its GELU is the tanh form, as ours (NVIDIA/TensorRT-LLM pull request 17693: "the cublasLt GELU
// epilogue ... the tanh approximation").
#include "kernels/cuda/gemm.cuh"

#include <algorithm>
#include <cmath>

#include "kernels/cuda/cublaslt.h"
#include "runtime/cuda/cuda_queue.h"

namespace gigatrain::kernels::cuda {

namespace {

constexpr int kProposals = 8;  // asked for, and timed when choices are measured
constexpr int kTimedRuns = 5;

// The products of one queue.
class Products : public CudaQueue::FamilyState {
 public:
  explicit Products(CudaQueue& queue);

  bool run(const Gemm& g, const GemmProblem& p, const void* bias);

  void save(Choices& all) const override {
    for (const auto& [key, product] : products_)
      if (product.chosen) all[key.text()] = write_algorithm(library_.version(), *product.chosen);
  }
  void load(const Choices& all) override {
    kept_ = all;
    products_.clear();  // chosen anew, from these
  }

 private:
  Product& product(const ProductKey& key, const ProductPointers& p);
  std::optional<AlgorithmBits> known(const Product& product, const Choices& choices) const;
  std::optional<AlgorithmBits> choose(Product& product, const ProductPointers& p);
  AlgorithmBits fastest(Product& product, const std::vector<AlgorithmBits>& among,
                        ProductPointers p);
  double milliseconds(Product& product, const AlgorithmBits& algorithm, const ProductPointers& p);
  bool submit(Product& product, const AlgorithmBits& algorithm, const ProductPointers& p) {
    return product.submit(algorithm, p, workspace_, queue_.stream());
  }

  CudaQueue& queue_;
  CublasLt library_;
  void* workspace_ = nullptr;
  std::map<ProductKey, Product> products_;
  Choices kept_, measured_;  // from a checkpoint; from this machine's file
  std::filesystem::path file_;
};

Products::Products(CudaQueue& queue)
    : queue_(queue), workspace_(queue.hold(kProductWorkspace, kProductWorkspaceName)) {
  if (!queue.options().measure) return;
  file_ = choices_path(queue.facts().model, library_.version());
  measured_ = read_choices(file_, library_.version());
}

std::optional<AlgorithmBits> Products::known(const Product& product, const Choices& choices) const {
  const auto found = choices.find(product.key().text());
  if (found == choices.end()) return std::nullopt;
  auto bits = read_algorithm(library_.version(), found->second);
  if (bits && !product.accepts(*bits)) bits.reset();
  return bits;
}

std::optional<AlgorithmBits> Products::choose(Product& product, const ProductPointers& p) {
  if (const auto kept = known(product, kept_)) return kept;
  if (const auto measured = known(product, measured_)) return measured;
  const auto proposals = product.proposals(kProposals);
  if (proposals.empty()) return std::nullopt;
  if (!queue_.options().measure || proposals.size() == 1) return proposals.front();
  const auto best = fastest(product, proposals, p);
  measured_[product.key().text()] = write_algorithm(library_.version(), best);
  write_choices(file_, library_.version(), measured_);
  return best;
}

// An earlier proposal stays unless a later one is 2 % faster: timings scatter by as much. What is
// added to C must be added once, so there the runs write elsewhere.
AlgorithmBits Products::fastest(Product& product, const std::vector<AlgorithmBits>& among,
                                ProductPointers p) {
  const ProductKey& key = product.key();
  Storage elsewhere;
  if (key.accumulate) {
    const std::int64_t end = (key.batch - 1) * key.c_batch + (key.m - 1) * key.c_row + key.n;
    elsewhere = queue_.scratch(end * size_of(key.out), "gemm.measure");
    p.c = elsewhere.data();
  }
  std::size_t best = 0;
  double best_time = milliseconds(product, among[0], p);
  for (std::size_t i = 1; i < among.size(); ++i) {
    const double time = milliseconds(product, among[i], p);
    if (time < 0.98 * best_time) best = i, best_time = time;
  }
  return among[best];
}

double Products::milliseconds(Product& product, const AlgorithmBits& algorithm,
                              const ProductPointers& p) {
  if (!submit(product, algorithm, p)) return INFINITY;
  std::vector<double> times;
  for (int i = 0; i < kTimedRuns; ++i) {
    const auto before = queue_.mark();
    submit(product, algorithm, p);
    const auto after = queue_.mark();
    times.push_back(after->ms_since(*before));
  }
  std::nth_element(times.begin(), times.begin() + kTimedRuns / 2, times.end());
  return times[kTimedRuns / 2];
}

Product& Products::product(const ProductKey& key, const ProductPointers& p) {
  if (const auto found = products_.find(key); found != products_.end()) return found->second;
  Product made(library_, key);
  made.chosen = choose(made, p);
  return products_.emplace(key, std::move(made)).first->second;
}

bool Products::run(const Gemm& g, const GemmProblem& p, const void* bias) {
  const bool tf32 = queue_.options().tf32 && p.in == DType::f32, finish = g.bias || g.gelu;
  ProductPointers pointers{.a = p.a.data, .b = p.b.data, .c = g.c.data};
  if (auto key = finish ? fused_key(g, p, bias) : std::nullopt) {
    key->tf32 = tf32;
    ProductPointers all = pointers;
    all.bias = bias, all.pre = g.pre.data;
    Product& fused = product(*key, all);
    if (fused.chosen && submit(fused, *fused.chosen, all)) return true;
    fused.chosen.reset();  // proposed, but not served: never again
  }
  ProductKey key = plain_key(g, p);
  key.tf32 = tf32;
  Product& plain = product(key, pointers);
  if (!plain.chosen || !submit(plain, *plain.chosen, pointers)) plain.refuse();
  return !finish;
}

}  // namespace

bool native_product(CudaQueue& queue, const Gemm& g, const GemmProblem& p, const void* bias) {
  const bool done = queue.family<Products>(CudaQueue::gemm_family).run(g, p, bias);
  queue.check_launch();
  return done;
}

}  // namespace gigatrain::kernels::cuda
