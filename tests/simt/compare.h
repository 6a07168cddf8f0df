// A kernel on the host SIMT machine must agree with the CPU's, and give the same bits in each of
// the three orders in which the machine runs the threads of a block.
#pragma once

#include <functional>
#include <vector>

#include "kernels/same_bits.h"
#include "kernels/simt/simt_queue.h"

namespace gigatrain::kernels::testing {

using Values = std::vector<double>;
using Outputs = std::vector<Values>;

template <class T>
Values values_of(const Array<T>& a) {
  Values v;
  for (std::int64_t i = 0; i < a.size(); ++i) v.push_back(a.at(i));
  return v;
}

// || got - want || / || want ||, infinite for NaN or for arrays of different lengths.
inline double relative_error(const Values& got, const Values& want) {
  if (got.size() != want.size()) return INFINITY;
  double difference = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  if (difference == 0.0) return 0.0;
  const double error = norm > 0.0 ? std::sqrt(difference / norm) : std::sqrt(difference);
  return error == error ? error : INFINITY;
}

// `results` submits kernels to a stream and returns what they wrote (memory of the host).
inline void compare_with_cpu(const std::function<Outputs(Stream&)>& results, double tolerance) {
  Device cpu({.threads = 1, .bf16 = Bf16Products::widened});  // f32 between roundings, as there
  const Outputs want = results(cpu.stream());
  Outputs first;
  for (const auto order :
       {simt::Order::ascending, simt::Order::descending, simt::Order::shuffled}) {
    const auto device = simt_device(order);
    const Outputs got = results(device->stream());
    REQUIRE(got.size() == want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i, static_cast<int>(order));
      CHECK(relative_error(got[i], want[i]) <= tolerance);
    }
    if (first.empty()) first = got;
    CHECK((got == first));  // the same bits in every order
  }
}

}  // namespace gigatrain::kernels::testing
