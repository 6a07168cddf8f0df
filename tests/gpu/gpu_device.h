// The GPU of the tests tagged [gpu]. Where none can be used, each test prints one line
// "gpu test skipped: <why>" and returns; ctest marks it as skipped by that line.
//
//   Device* gpu = gpu_device();
//   if (!gpu) return;
#pragma once

#include <catch2/catch.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <tuple>

#include "gigatrain/base/error.h"
#include "gigatrain/runtime/device.h"

namespace gigatrain::test {

// A device of this test's own; null (and the line) when there is none.
inline std::unique_ptr<Device> open_gpu(const CudaOptions& options = {}) {
  try {
    return open_device("cuda", options);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::device) throw;
    std::printf("gpu test skipped: %s\n", e.message().c_str());
    std::fflush(stdout);
    return nullptr;
  }
}

// One device a process for each set of options, shared by tests. It is never closed: at exit the
// driver may already be gone.
inline Device* gpu_device(const CudaOptions& o = {}) {
  static std::map<std::tuple<bool, bool, bool>, Device*> opened;
  const auto key = std::tuple(o.tf32, o.measure, o.portable_attention);
  if (const auto at = opened.find(key); at != opened.end()) return at->second;
  Device* device = open_gpu(o).release();
  if (device) opened[key] = device;
  return device;
}

}  // namespace gigatrain::test
