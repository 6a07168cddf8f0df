// all_reduce: every rank gets what every rank has and adds it itself, so that it works alike on
// every transport and the order of a sum is the ranks'.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "collectives/checks.h"
#include "gigatrain/base/error.h"
#include "gigatrain/collectives/communicator.h"

namespace gigatrain {

using namespace collectives;

namespace {

template <class T>
T combine(T a, T b, Reduce reduce) {
  if constexpr (std::is_floating_point_v<T>) {
    if (reduce == Reduce::sum) return a + b;
    if (a != a || b != b) return a + b;  // NaN
  } else if (reduce == Reduce::sum) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(static_cast<U>(a) + static_cast<U>(b)));
  }
  return reduce == Reduce::min ? std::min(a, b) : std::max(a, b);
}

// y = x[0] + x[1] + ..., rows of n.
template <class T>
void combine_rows(const void* rows, T* y, std::int64_t n, int ranks, Reduce reduce) {
  const T* x = static_cast<const T*>(rows);
  std::copy(x, x + n, y);
  for (int r = 1; r < ranks; ++r)
    for (std::int64_t i = 0; i < n; ++i) y[i] = combine(y[i], x[r * n + i], reduce);
}

void combine_all(const void* rows, const TensorView& y, int ranks, Reduce reduce) {
  const std::int64_t n = y.numel();
  switch (y.dtype) {
    case DType::u8:
      return combine_rows(rows, y.as<std::uint8_t>(), n, ranks, reduce);
    case DType::i32:
      return combine_rows(rows, y.as<std::int32_t>(), n, ranks, reduce);
    case DType::i64:
      return combine_rows(rows, y.as<std::int64_t>(), n, ranks, reduce);
    default:
      return combine_rows(rows, y.as<double>(), n, ranks, reduce);
  }
}

void require_reducible(DType dtype) {
  if (is_floating(dtype) && dtype != DType::f64)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("all_reduce takes u8, i32, i64 and f64, got {}", name(dtype)),
                "gradients are added over their tree (parallel::TreeReduce); scalars are f64");
}

// A copy of the bytes with room for those of all ranks behind it.
struct Rows {
  std::vector<double> memory;  // aligned for every dtype
  std::byte *mine, *all;

  Rows(const TensorView& values, int ranks)
      : memory(
            static_cast<std::size_t>((values.bytes() + 7) / 8 + (values.bytes() * ranks + 7) / 8)),
        mine(reinterpret_cast<std::byte*>(memory.data())),
        all(mine + (values.bytes() + 7) / 8 * 8) {
    if (values.bytes() > 0)
      std::memcpy(mine, values.data, static_cast<std::size_t>(values.bytes()));
  }
};

}  // namespace

Work Communicator::all_reduce(const TensorView& values, Reduce reduce, At at) {
  if (group_.device)
    throw Error(
        ErrorCode::unsupported,
        fmt::format("all_reduce takes host memory, the buffers of group '{}' are a device's",
                    name()),
        "call it on the group that on() was called of, with the values downloaded");
  return reduce_on_host(values, reduce, at);
}

Work Communicator::reduce_on_host(const TensorView& values, Reduce reduce, At at) {
  require_contiguous(values, "all_reduce", "values");
  require_reducible(values.dtype);
  const auto rows = std::make_shared<Rows>(values, size());
  Transfer t = start({.operation = Collective::all_reduce,
                      .dtype = values.dtype,
                      .count = values.numel(),
                      .reduce = reduce},
                     at);
  t.device = nullptr;
  t.send = repeat(TensorView(rows->mine, values.dtype, {values.numel()}), size());
  t.receive = cut(TensorView(rows->all, values.dtype, {values.numel() * size()}),
                  std::vector<std::int64_t>(static_cast<std::size_t>(size()), values.numel()));
  t.finish = [rows, values, ranks = size(), reduce] {
    combine_all(rows->all, values, ranks, reduce);
  };
  return go(std::move(t));
}

}  // namespace gigatrain
