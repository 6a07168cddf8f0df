// Every kernel that a device other than the CPU must have, and the table in which such a device
// brings them. A new op adds one line here.
#pragma once

#include "gigatrain/runtime/backend.h"
#include "kernels/activation.h"
#include "kernels/adafactor.h"
#include "kernels/adamw8bit.h"
#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/cross_entropy.h"
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/gemm.h"
#include "kernels/group_norm.h"
#include "kernels/index.h"
#include "kernels/norm.h"
#include "kernels/pointwise_loss.h"
#include "kernels/reduce.h"
#include "kernels/rope.h"
#include "kernels/softmax.h"
#include "kernels/swiglu.h"
#include "kernels/update.h"

#define GT_EACH_KERNEL(X)   \
  GT_EACH_BINARY(X)         \
  GT_EACH_UNARY(X)          \
  GT_EACH_UNARY_BACKWARD(X) \
  GT_EACH_COMPARISON(X)     \
  X(Scale)                  \
  X(Pow)                    \
  X(Where)                  \
  X(Copy)                   \
  X(Fill)                   \
  X(Sum)                    \
  X(SquareSums)             \
  X(NormOfChunks)           \
  X(TreeSum)                \
  X(Digest)                 \
  X(GeluForward)            \
  X(GeluBackward)           \
  X(BiasGradient)           \
  X(Dropout)                \
  X(LayerNormForward)       \
  X(LayerNormBackward)      \
  X(SwigluForward)          \
  X(SwigluBackward)         \
  X(RopeForward)            \
  X(RopeBackward)           \
  X(EmbeddingForward)       \
  X(EmbeddingBackward)      \
  X(CrossEntropy)           \
  X(PointwiseLoss)          \
  X(AttentionForward)       \
  X(AttentionBackward)      \
  X(Gemm)                   \
  X(Im2col)                 \
  X(Col2im)                 \
  X(ChannelSum)             \
  X(GroupNormForward)       \
  X(GroupNormBackward)      \
  X(SoftmaxForward)         \
  X(SoftmaxBackward)        \
  X(Gather)                 \
  X(ScatterAdd)             \
  X(TopK)                   \
  X(AdamW)                  \
  X(Sgd)                    \
  X(Lion)                   \
  X(AdamW8bit)              \
  X(Adafactor)

namespace gigatrain::kernels {

struct Table {
#define GT_MEMBER(Args) void (*Args##_run)(Backend&, const Args&) = nullptr;
  GT_EACH_KERNEL(GT_MEMBER)
#undef GT_MEMBER
};

// The table of a backend class whose overloads `run(Queue&, const Args&)` stand beside the
// argument structs: a missing one is an error that names it.
template <class Queue>
constexpr Table table_of() {
  Table table;
#define GT_ENTRY(Args)                                  \
  table.Args##_run = [](Backend& b, const Args& args) { \
    static_cast<Queue&>(b).current(Args::kName);        \
    run(static_cast<Queue&>(b), args);                  \
  };
  GT_EACH_KERNEL(GT_ENTRY)
#undef GT_ENTRY
  return table;
}

}  // namespace gigatrain::kernels
