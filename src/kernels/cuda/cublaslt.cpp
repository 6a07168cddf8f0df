// cuBLASLt is column-major. A row-major C (m, n) is a column-major C^T (n, m) in the same memory,
// and C^T = op(B)^T op(A)^T: the library's first operand is our B, its second our A, its m our n.
#include "kernels/cuda/cublaslt.h"

#include <cublasLt.h>
#include <dlfcn.h>

#include <algorithm>

#include "gigatrain/base/error.h"
#include "kernels/cuda/gemm.cuh"
#include "runtime/cuda/cuda_queue.h"

#define GT_EACH_FUNCTION(X)       \
  X(Create)                       \
  X(Destroy)                      \
  X(GetVersion)                   \
  X(GetStatusString)              \
  X(Matmul)                       \
  X(MatmulAlgoGetHeuristic)       \
  X(MatmulAlgoCheck)              \
  X(MatmulAlgoConfigGetAttribute) \
  X(MatmulDescCreate)             \
  X(MatmulDescDestroy)            \
  X(MatmulDescSetAttribute)       \
  X(MatmulPreferenceCreate)       \
  X(MatmulPreferenceDestroy)      \
  X(MatmulPreferenceSetAttribute) \
  X(MatrixLayoutCreate)           \
  X(MatrixLayoutDestroy)          \
  X(MatrixLayoutSetAttribute)

namespace gigatrain::kernels::cuda {

namespace {

// Sums over k cut into pieces that run in parallel: none. Every scheme of the library's is
// reproducible by its documentation, but only without one is a product one sum over k.
constexpr std::uint32_t kScheme = CUBLASLT_REDUCTION_SCHEME_NONE;
// ... and the one taken where nothing else serves: pieces in f32, added in a second pass.
constexpr std::uint32_t kLastScheme = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;

struct Functions {
#define GT_MEMBER(Name) decltype(&::cublasLt##Name) Name = nullptr;
  GT_EACH_FUNCTION(GT_MEMBER)
#undef GT_MEMBER
};

[[noreturn]] void missing(const char* part) {
  throw Error(
      ErrorCode::device,
      fmt::format("cuBLASLt 13 is not found: {}, which GPU matrix products need, is missing "
                  "(version 12 cannot stand in, its interface differs)",
                  part),
      "pip install nvidia-cublas, or install CUDA 13; LD_LIBRARY_PATH may name its folder");
}

Functions load() {
  void* library = load_nvidia_library("libcublasLt.so.13");
  if (!library) missing("libcublasLt.so.13");
  Functions f;
#define GT_LOAD(Name)                                                            \
  f.Name = reinterpret_cast<decltype(f.Name)>(dlsym(library, "cublasLt" #Name)); \
  if (!f.Name) missing("the function cublasLt" #Name);
  GT_EACH_FUNCTION(GT_LOAD)
#undef GT_LOAD
  return f;
}

const Functions& lt() {
  static const Functions functions = load();
  return functions;
}

struct Deleter {
  void operator()(cublasLtMatmulDescOpaque_t* p) const { lt().MatmulDescDestroy(p); }
  void operator()(cublasLtMatrixLayoutOpaque_t* p) const { lt().MatrixLayoutDestroy(p); }
  void operator()(cublasLtMatmulPreferenceOpaque_t* p) const { lt().MatmulPreferenceDestroy(p); }
};
using Operation = std::unique_ptr<cublasLtMatmulDescOpaque_t, Deleter>;
using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Deleter>;
using Preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Deleter>;

[[noreturn]] void failed(const ProductKey& key, const char* doing, cublasStatus_t status) {
  throw Error(
      ErrorCode::device,
      fmt::format(
          "cuBLASLt failed {} the product of A ({}, {}) and B ({}, {}), {} to {}{}: {} [{}]", doing,
          key.m, key.k, key.k, key.n, name(key.in), name(key.out),
          key.batch > 1 ? fmt::format(", batch {}", key.batch) : "", lt().GetStatusString(status),
          key.text()),
      "run again with CUBLASLT_LOG_LEVEL=2 for the library's own reason");
}
void check(const ProductKey& key, const char* doing, cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS) failed(key, doing, status);
}

cudaDataType_t type_of(DType dtype) {
  if (dtype == DType::f64) return CUDA_R_64F;
  if (dtype == DType::f16) return CUDA_R_16F;
  return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

cublasComputeType_t compute_type(const ProductKey& key) {
  if (key.in == DType::f64) return CUBLAS_COMPUTE_64F;
  return key.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

// An address that is never read: the heuristic asks for its alignment only, and the first tensor's
// own address could be better aligned than the next one's.
const void* address_aligned(int bytes) {
  return reinterpret_cast<const void*>(std::uintptr_t{1} << 40 | static_cast<unsigned>(bytes));
}

// A stored matrix of `rows` rows of `columns` elements: column-major, it has `columns` rows.
Layout layout(const ProductKey& key, DType dtype, std::int64_t rows, std::int64_t columns,
              std::int64_t row_step, std::int64_t batch_step) {
  cublasLtMatrixLayout_t made = nullptr;
  check(key, "describing",
        lt().MatrixLayoutCreate(&made, type_of(dtype), static_cast<std::uint64_t>(columns),
                                static_cast<std::uint64_t>(rows), row_step));
  Layout owner(made);
  const auto set = [&](cublasLtMatrixLayoutAttribute_t attribute, auto value) {
    check(key, "describing", lt().MatrixLayoutSetAttribute(made, attribute, &value, sizeof value));
  };
  if (key.batch > 1) {
    set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(key.batch));
    set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, batch_step);
  }
  return owner;
}

cublasLtMatmulAlgo_t algorithm_of(const AlgorithmBits& bits) {
  cublasLtMatmulAlgo_t algorithm{};
  std::copy(bits.begin(), bits.end(), algorithm.data);
  return algorithm;
}

// Does the algorithm cut k in a way that was not asked for?
bool cuts_k(const AlgorithmBits& bits, std::uint32_t allowed) {
  const auto algorithm = algorithm_of(bits);
  std::int32_t pieces = 1;
  std::uint32_t scheme = 0;
  std::size_t written = 0;
  lt().MatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &pieces,
                                    sizeof pieces, &written);
  lt().MatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme,
                                    sizeof scheme, &written);
  return (pieces > 1 || pieces < 0 || scheme != 0) && (scheme & allowed) == 0;
}

}  // namespace

CublasLt::CublasLt() {
  cublasLtHandle_t made = nullptr;
  if (const auto status = lt().Create(&made); status != CUBLAS_STATUS_SUCCESS)
    throw Error(ErrorCode::device,
                fmt::format("cuBLASLt does not start: {}", lt().GetStatusString(status)),
                "check that the driver serves CUDA 13 (`nvidia-smi`), and the GPU's free memory");
  context_ = made;
}

CublasLt::~CublasLt() {
  lt().Destroy(static_cast<cublasLtHandle_t>(context_));
}

std::uint64_t CublasLt::version() const {
  return lt().GetVersion();
}

struct Product::Impl {
  ProductKey key;
  cublasLtHandle_t context = nullptr;
  Operation operation;
  Layout first, second, result;  // our B, A and C

  template <class V>
  void set(cublasLtMatmulDescAttributes_t attribute, V value) {
    check(key, "describing",
          lt().MatmulDescSetAttribute(operation.get(), attribute, &value, sizeof value));
  }
  void describe();
  std::vector<AlgorithmBits> ask(int count, std::uint32_t scheme) const;
};

void Product::Impl::describe() {
  cublasLtMatmulDesc_t made = nullptr;
  check(key, "describing",
        lt().MatmulDescCreate(&made, compute_type(key),
                              key.in == DType::f64 ? CUDA_R_64F : CUDA_R_32F));
  operation.reset(made);
  const auto transposed = [](bool t) -> std::int32_t { return t ? CUBLAS_OP_T : CUBLAS_OP_N; };
  set(CUBLASLT_MATMUL_DESC_TRANSA, transposed(key.trans_b));
  set(CUBLASLT_MATMUL_DESC_TRANSB, transposed(key.trans_a));
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<std::uint32_t>(key.epilogue));
  if (key.epilogue & CUBLASLT_EPILOGUE_BIAS) {
    set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<std::int32_t>(type_of(key.out)));
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, address_aligned(key.bias_align));
  }
  if (key.pre_row > 0) {
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, key.pre_row);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, address_aligned(key.pre_align));
    if (key.batch > 1) set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE, key.pre_batch);
  }
  const auto stored = [&](bool swapped, std::int64_t rows, std::int64_t columns,
                          std::int64_t row_step, std::int64_t batch_step) {
    if (swapped) std::swap(rows, columns);
    return layout(key, key.in, rows, columns, row_step, batch_step);
  };
  first = stored(key.trans_b, key.k, key.n, key.b_row, key.b_batch);
  second = stored(key.trans_a, key.m, key.k, key.a_row, key.a_batch);
  result = layout(key, key.out, key.m, key.n, key.c_row, key.c_batch);
}

std::vector<AlgorithmBits> Product::Impl::ask(int count, std::uint32_t scheme) const {
  cublasLtMatmulPreference_t made = nullptr;
  check(key, "choosing for", lt().MatmulPreferenceCreate(&made));
  const Preference preference(made);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    check(key, "choosing for",
          lt().MatmulPreferenceSetAttribute(made, attribute, &value, sizeof value));
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(kProductWorkspace));
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, scheme);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(key.b_align));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(key.a_align));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(key.c_align));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(key.c_align));

  std::vector<cublasLtMatmulHeuristicResult_t> found(static_cast<std::size_t>(count));
  int returned = 0;
  const auto status =
      lt().MatmulAlgoGetHeuristic(context, operation.get(), first.get(), second.get(), result.get(),
                                  result.get(), made, count, found.data(), &returned);
  std::vector<AlgorithmBits> kept;
  if (status != CUBLAS_STATUS_SUCCESS) return kept;  // "no heuristic for this configuration"
  for (int i = 0; i < returned; ++i) {
    const auto& one = found[static_cast<std::size_t>(i)];
    AlgorithmBits bits{};
    std::copy(std::begin(one.algo.data), std::end(one.algo.data), bits.begin());
    if (one.state == CUBLAS_STATUS_SUCCESS && !cuts_k(bits, scheme)) kept.push_back(bits);
  }
  return kept;
}

Product::Product(const CublasLt& library, const ProductKey& key) : impl_(std::make_unique<Impl>()) {
  impl_->key = key;
  impl_->context = static_cast<cublasLtHandle_t>(library.context());
  impl_->describe();
}
Product::Product(Product&&) noexcept = default;
Product::~Product() = default;

const ProductKey& Product::key() const {
  return impl_->key;
}

void Product::refuse() const {
  failed(impl_->key, "finding an algorithm for", CUBLAS_STATUS_NOT_SUPPORTED);
}

std::vector<AlgorithmBits> Product::proposals(int count) const {
  auto found = impl_->ask(count, kScheme);
  if (!found.empty()) return found;
  found = impl_->ask(4 * count, kLastScheme);
  const auto end = std::stable_partition(found.begin(), found.end(),
                                         [](const auto& bits) { return !cuts_k(bits, kScheme); });
  if (end != found.begin()) found.erase(end, found.end());
  found.resize(std::min(found.size(), static_cast<std::size_t>(count)));
  return found;
}

bool Product::accepts(const AlgorithmBits& bits) const {
  const auto algorithm = algorithm_of(bits);
  cublasLtMatmulHeuristicResult_t result{};
  const auto status = lt().MatmulAlgoCheck(
      impl_->context, impl_->operation.get(), impl_->first.get(), impl_->second.get(),
      impl_->result.get(), impl_->result.get(), &algorithm, &result);
  return status == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= kProductWorkspace &&
         !cuts_k(bits, kScheme | kLastScheme);
}

bool Product::submit(const AlgorithmBits& bits, const ProductPointers& p, void* workspace,
                     void* stream) {
  Impl& i = *impl_;
  if (p.bias) i.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  if (p.pre) i.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, p.pre);
  const auto algorithm = algorithm_of(bits);
  const float one = 1.0f, beta = i.key.accumulate ? 1.0f : 0.0f;
  const double one64 = 1.0, beta64 = i.key.accumulate ? 1.0 : 0.0;
  const bool wide = i.key.in == DType::f64;
  const void* scale = wide ? static_cast<const void*>(&one64) : &one;
  const void* keep = wide ? static_cast<const void*>(&beta64) : &beta;
  const auto status =
      lt().Matmul(i.context, i.operation.get(), scale, p.b, i.first.get(), p.a, i.second.get(),
                  keep, p.c, i.result.get(), p.c, i.result.get(), &algorithm, workspace,
                  kProductWorkspace, static_cast<cudaStream_t>(stream));
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return false;
  check(i.key, "running", status);
  return true;
}

}  // namespace gigatrain::kernels::cuda
