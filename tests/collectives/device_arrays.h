// Every operation of a group on arrays of a device, for tests of any device.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/runtime/device.h"
#include "gigatrain/runtime/storage.h"

namespace gigatrain::test {

using Floats = std::vector<float>;

// An array in a device's memory.
class Array {
 public:
  Array(Device& device, const Floats& values)
      : device_(device),
        size_(static_cast<std::int64_t>(values.size())),
        storage_(device.allocator(), size_ * 4, {Purpose::data, "array"}) {
    device.upload(storage_.data(), values.data(), size_ * 4);
  }
  TensorView view(std::int64_t from, std::int64_t size) const {
    return TensorView(static_cast<float*>(storage_.data()) + from, DType::f32, {size});
  }
  TensorView view() const { return view(0, size_); }
  float* data() const { return static_cast<float*>(storage_.data()); }
  Floats values() const {
    Floats out(static_cast<std::size_t>(size_));
    device_.download(out.data(), storage_.data(), size_ * 4);
    return out;
  }

 private:
  Device& device_;
  std::int64_t size_;
  Storage storage_;
};

// n values of rank `rank`, different from all others'.
inline Floats values_of(int rank, std::int64_t n, int salt = 0) {
  Floats out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), static_cast<float>(rank * 100000 + salt * 10000));
  return out;
}

inline Floats junk(std::int64_t n) {
  return Floats(static_cast<std::size_t>(n), -1.0f);
}

inline void append(Floats& to, const Array& more) {
  const Floats values = more.values();
  to.insert(to.end(), values.begin(), values.end());
}

// All operations, one after the other, with parts of about n elements; what has arrived.
inline Floats every_operation(Communicator& c, Device& device, std::int64_t n) {
  const int ranks = c.size(), rank = c.rank(), root = ranks / 2;
  const bool is_root = rank == root;
  Floats out;
  const Array mine(device, values_of(rank, n * ranks));
  {
    const Array all(device, junk(n * ranks));
    c.all_to_all(mine.view(), all.view()).wait();
    append(out, all);
  }
  {  // a view for each rank: what r sends to s has (r + 2 s) % 3 * n elements
    std::vector<Array> send, receive;
    std::vector<TensorView> sent, received;
    for (int r = 0; r < ranks; ++r) {
      send.emplace_back(device, values_of(rank, (rank + 2 * r) % 3 * n, r));
      receive.emplace_back(device, junk((r + 2 * rank) % 3 * n));
    }
    for (const auto& array : send) sent.push_back(array.view());
    for (const auto& array : receive) received.push_back(array.view());
    c.all_to_all(sent, received).wait();
    for (const auto& array : receive) append(out, array);
  }
  {  // in place
    const Array all(device, values_of(rank, n * ranks));
    c.all_gather(all.view(rank * n, n), all.view()).wait();
    append(out, all);
  }
  {
    const Array buffer(device, values_of(rank, n));
    c.broadcast(buffer.view(), root).wait();
    append(out, buffer);
  }
  {
    const Array whole(device, junk(is_root ? n * ranks : 0)), part(device, junk(n));
    c.gather(mine.view(0, n), whole.view(), root).wait();
    c.scatter(whole.view(), part.view(), root).wait();
    append(out, whole);
    append(out, part);
  }
  if (ranks > 1) {
    const Array in(device, junk(2 * n));
    const int right = (rank + 1) % ranks, left = (rank + ranks - 1) % ranks;
    Work first = c.send(mine.view(0, n), right), second = c.send(mine.view(n, n), right);
    Work later = c.recv(in.view(0, n), left), last = c.recv(in.view(n, n), left);
    for (Work* work : {&last, &second, &first, &later}) work->wait();
    append(out, in);
  }
  c.barrier().wait();
  out.push_back(static_cast<float>(c.all_reduce(std::int64_t{rank + 1}, Reduce::sum)));
  return out;
}

}  // namespace gigatrain::test
