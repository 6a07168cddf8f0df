// cuBLASLt, found when the first product is asked for (it is not linked), and a product as it sees
// it: its descriptors, made once, and the algorithms that may serve it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "kernels/cuda/gemm_choices.h"

namespace gigatrain::kernels::cuda {

// A context of the library's. Throws Error(device) that says what is missing.
class CublasLt {
 public:
  CublasLt();
  ~CublasLt();
  std::uint64_t version() const;  // 130100: cuBLAS 13.1.0
  void* context() const { return context_; }

 private:
  void* context_ = nullptr;
};

// Pointers that change from call to call.
struct ProductPointers {
  const void *a = nullptr, *b = nullptr, *bias = nullptr;
  void *c = nullptr, *pre = nullptr;
};

class Product {
 public:
  Product(const CublasLt& library, const ProductKey& key);
  Product(Product&&) noexcept;
  ~Product();

  const ProductKey& key() const;
  // The library's proposals, best first, at most `count`; none: it has no such product.
  std::vector<AlgorithmBits> proposals(int count) const;
  // Would this algorithm, written by another run, be right here?
  bool accepts(const AlgorithmBits& algorithm) const;
  // In a workspace of kProductWorkspace bytes. False: the library does not serve this after all,
  // and nothing was submitted. Throws Error(device) that names the product when it fails.
  bool submit(const AlgorithmBits& algorithm, const ProductPointers& p, void* workspace,
              void* stream);
  [[noreturn]] void refuse() const;  // Error(device): no algorithm

  std::optional<AlgorithmBits> chosen;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gigatrain::kernels::cuda
