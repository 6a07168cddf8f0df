// Adafactor over many matrices on the GPU: kernels/adafactor.h. Six kernels: squares of blocks of
// rows, which end the rows' means; the columns' means; the mean of the rows' means; the sizes of
// the update and of the weights; the rate from them; the update.
#pragma once

#include <vector>

#include "kernels/adafactor_rate.h"
#include "kernels/cuda/tree.cuh"
#include "kernels/cuda/weights.cuh"

namespace gigatrain::kernels::cuda {

// A tensor with its place in the workspace.
struct FactorEntry : AdafactorTensor {
  float* partials;  // (blocks, cols): sums of g^2 over a block's rows
  double* squares;  // (2, blocks): sums of u^2 and w^2
  double* mean;     // of the rows' means
  FactorRate* rate;

  GT_HOST_DEVICE std::int64_t rows() const { return numel / cols; }
  GT_HOST_DEVICE std::int64_t blocks() const { return (rows() + kFactorRows - 1) / kFactorRows; }
};
using FactorList = TensorList<FactorEntry>;

// What all six know. With N = 4 pointers are 16-byte aligned and columns a multiple of four.
template <int N>
struct FactorCall {
  static constexpr int kThreads = 256, kMinBlocks = 1;
  FactorList list;
  Adafactor a;  // its tensors are not for the device

  // Rows [begin, end) of the block's tensor.
  struct Rows {
    const FactorEntry& entry;
    std::int64_t block, begin, end;
  };
  GT_DEVICE Rows rows_of(std::int64_t cta_block) const {
    const int which = list.find(cta_block);
    const FactorEntry& entry = list.entries[which];
    const std::int64_t block = cta_block - list.first[which], begin = block * kFactorRows;
    const std::int64_t rows = entry.rows();
    return {entry, block, begin, begin + kFactorRows < rows ? begin + kFactorRows : rows};
  }
  GT_DEVICE static void column_factors(const FactorEntry& entry, std::int64_t c, float (&out)[N]) {
    load_wide<N>(entry.col + c, out);
    GT_UNROLL
    for (int k = 0; k < N; ++k) out[k] = 1.0f / sqrtf(out[k]);
  }
  GT_DEVICE static float row_factor(const FactorEntry& entry, std::int64_t r) {
    return entry.row ? sqrtf(static_cast<float>(*entry.mean) / entry.row[r]) : 1.0f;
  }
};

template <int N>
struct FactorSquaresKernel : FactorCall<N> {
  struct Shared {
    float slots[FactorCall<N>::kThreads / kWarp];
  };
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const float clip = clip_of(this->a.clip);
    if (clip != clip) return;
    const auto [entry, block, begin, end] = this->rows_of(cta.block());
    float sums[kFactorRows] = {};
    for (std::int64_t c = cta.thread() * N; c < entry.cols; c += this->kThreads * N) {
      float column[N] = {};
      GT_UNROLL
      for (int r = 0; r < kFactorRows; ++r) {
        if (begin + r >= end) continue;
        float g[N];
        load_wide<N>(entry.grad + (begin + r) * entry.cols + c, g);
        GT_UNROLL
        for (int k = 0; k < N; ++k) {
          const float scaled = g[k] * clip, square = scaled * scaled;
          sums[r] += square, column[k] += square;
        }
      }
      store_wide<N>(entry.partials + block * entry.cols + c, column);
    }
    if (!entry.row) return;
    const float b = this->a.scalars->correction1;
    GT_UNROLL
    for (int r = 0; r < kFactorRows; ++r) {
      const float sum = block_sum<FactorCall<N>::kThreads>(cta, sums[r], s.slots);
      if (cta.thread() != 0 || begin + r >= end) continue;
      const float mean = sum / static_cast<float>(entry.cols) + this->a.eps1;
      entry.row[begin + r] = fmaf(b, entry.row[begin + r], (1.0f - b) * mean);
    }
  }
};

// A thread has a column.
struct FactorColumnsKernel : FactorCall<1> {
  struct Shared {};
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const float clip = clip_of(a.clip);
    if (clip != clip) return;
    const int which = list.find(cta.block());
    const FactorEntry& entry = list.entries[which];
    const std::int64_t c = (cta.block() - list.first[which]) * kThreads + cta.thread();
    if (c >= entry.cols) return;
    float sum = 0.0f;
    GT_UNROLL_4
    for (std::int64_t n = 0; n < entry.blocks(); ++n) sum += entry.partials[n * entry.cols + c];
    const float b = a.scalars->correction1;
    const float mean = sum / static_cast<float>(entry.rows()) + a.eps1;
    entry.col[c] = fmaf(b, entry.col[c], mean * (1.0f - b));
  }
};

// A block has a tensor.
struct FactorMeanKernel : FactorCall<1> {
  struct Shared {
    double slots[kThreads / kWarp];
  };
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const FactorEntry& entry = list.entries[cta.block()];
    if (!entry.row) return;
    double sum = 0.0;
    for (std::int64_t r = cta.thread(); r < entry.rows(); r += kThreads)
      sum += static_cast<double>(entry.row[r]);
    sum = block_sum<kThreads>(cta, sum, s.slots);
    if (cta.thread() == 0) *entry.mean = sum / static_cast<double>(entry.rows());
  }
};

template <int N>
struct FactorSizesKernel : FactorCall<N> {
  struct Shared {
    double slots[FactorCall<N>::kThreads / kWarp];
  };
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const float clip = clip_of(this->a.clip);
    if (clip != clip) return;
    const auto [entry, block, begin, end] = this->rows_of(cta.block());
    double updates = 0.0, weights = 0.0;
    for (std::int64_t c = cta.thread() * N; c < entry.cols; c += this->kThreads * N) {
      float factor[N], u2 = 0.0f, w2 = 0.0f;
      this->column_factors(entry, c, factor);
      GT_UNROLL_4
      for (std::int64_t r = begin; r < end; ++r) {
        float g[N], w[N] = {};
        load_wide<N>(entry.grad + r * entry.cols + c, g);
        if (this->a.scale_parameter) load_weights<N>(entry, r * entry.cols + c, w);
        const float row = this->row_factor(entry, r);
        GT_UNROLL
        for (int k = 0; k < N; ++k) {
          const float u = g[k] * clip * row * factor[k];
          u2 += u * u, w2 += w[k] * w[k];
        }
      }
      updates += static_cast<double>(u2), weights += static_cast<double>(w2);
    }
    updates = block_sum<FactorCall<N>::kThreads>(cta, updates, s.slots);
    weights = block_sum<FactorCall<N>::kThreads>(cta, weights, s.slots);
    if (cta.thread() != 0) return;
    entry.squares[block] = updates, entry.squares[entry.blocks() + block] = weights;
  }
};

// A block has a tensor.
struct FactorRateKernel : FactorCall<1> {
  struct Shared {};
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const float clip = clip_of(a.clip);
    if (clip != clip) return;
    const FactorEntry& entry = list.entries[cta.block()];
    const double updates = block_tree<kThreads>(cta, entry.squares, entry.blocks());
    const double weights =
        block_tree<kThreads>(cta, entry.squares + entry.blocks(), entry.blocks());
    if (cta.thread() == 0) *entry.rate = factor_rate(a, entry, a.scalars->lr, updates, weights);
  }
};

template <int N>
struct FactorApplyKernel : FactorCall<N> {
  struct Shared {};
  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const float clip = clip_of(this->a.clip);
    if (clip != clip) return;
    const auto [entry, block, begin, end] = this->rows_of(cta.block());
    const FactorRate rate = *entry.rate;
    for (std::int64_t c = cta.thread() * N; c < entry.cols; c += this->kThreads * N) {
      float factor[N];
      this->column_factors(entry, c, factor);
      GT_UNROLL_4
      for (std::int64_t r = begin; r < end; ++r) {
        const std::int64_t i = r * entry.cols + c;
        float g[N], w[N];
        load_wide<N>(entry.grad + i, g);
        load_weights<N>(entry, i, w);
        const float row = this->row_factor(entry, r);
        GT_UNROLL
        for (int k = 0; k < N; ++k) {
          const float u = g[k] * clip * row * factor[k] * rate.shrink;
          w[k] = fmaf(fmaf(entry.weight_decay, w[k], u), rate.minus_rate, w[k]);
        }
        store_weights<N>(entry, this->a.scalars->step, i, w);
      }
    }
  }
};

// The workspace of a call, dealt to its tensors.
template <class Queue>
std::vector<FactorEntry> factor_entries(Queue& queue, const Adafactor& a, Storage& memory) {
  std::vector<FactorEntry> entries;
  std::int64_t partials = 0, blocks = 0;
  for (std::int64_t i = 0; i < a.count; ++i) {
    entries.push_back({a.tensors[i], nullptr, nullptr, nullptr, nullptr});
    partials += round_up(entries.back().blocks() * a.tensors[i].cols, 4);
    blocks += entries.back().blocks();
  }
  const std::int64_t doubles = 2 * blocks + 2 * a.count;  // squares, means, rates
  memory = queue.scratch(doubles * 8 + partials * 4 + 16, "adafactor.sums");
  auto* d = static_cast<double*>(memory.data());
  auto* f = reinterpret_cast<float*>(d + doubles + doubles % 2);
  for (auto& e : entries) {
    e.mean = d++;
    e.rate = reinterpret_cast<FactorRate*>(d++);
    e.squares = d, d += 2 * e.blocks();
    e.partials = f, f += round_up(e.blocks() * e.cols, 4);
  }
  return entries;
}

inline bool packs_fit(const FactorList& list) {
  bool fit = true;
  for (int i = 0; i < list.count; ++i) {
    const FactorEntry& e = list.entries[i];
    fit = fit && cuda::packs_fit<float>(e.cols, {e.weight, e.grad, e.col, e.compute.data});
  }
  return fit;
}

template <class Queue>
void launch(Queue& queue, const Adafactor& a) {
  if (a.count == 0) return;
  Storage memory;
  const std::vector<FactorEntry> entries = factor_entries(queue, a, memory);
  const auto row_blocks = [](const FactorEntry& e) { return e.blocks(); };
  const auto column_blocks = [](const FactorEntry& e) {
    return blocks_for(e.cols, FactorCall<1>::kThreads);
  };
  for_lists(entries.data(), a.count, row_blocks, [&](const FactorList& list) {
    with_width<float>(packs_fit(list), [&](auto width) {
      queue.launch(FactorSquaresKernel<decltype(width)::value>{{list, a}}, {.x = list.blocks});
    });
  });
  for_lists(entries.data(), a.count, column_blocks, [&](const FactorList& list) {
    queue.launch(FactorColumnsKernel{{list, a}}, {.x = list.blocks});
  });
  for_lists(entries.data(), a.count, row_blocks, [&](const FactorList& list) {
    queue.launch(FactorMeanKernel{{list, a}}, {.x = list.count});
    with_width<float>(packs_fit(list), [&](auto width) {
      queue.launch(FactorSizesKernel<decltype(width)::value>{{list, a}}, {.x = list.blocks});
      queue.launch(FactorRateKernel{{list, a}}, {.x = list.count});
      queue.launch(FactorApplyKernel<decltype(width)::value>{{list, a}}, {.x = list.blocks});
    });
  });
}

}  // namespace gigatrain::kernels::cuda
