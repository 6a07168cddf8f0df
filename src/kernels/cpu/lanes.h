// Loops over sixteen lanes at a time, with the last, shorter group handled by the same body:
//
//   for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY { lanes.put(y + i, lanes.get(x + i)); });
//
// For a sum, missing lanes must count as the identity: `keep` does that, so a tail never changes
// the order of the arithmetic.
#pragma once

#include "kernels/cpu/vec.h"

#define GT_BODY __attribute__((always_inline))

GT_ISA_BEGIN

struct AllLanes {
  static constexpr std::int64_t n = kLanes;
  template <class T>
  GT_INLINE f32x16 get(const T* p, float = 0.0f) const {
    return load(p);
  }
  template <class T>
  GT_INLINE void put(T* p, f32x16 v) const {
    store(p, v);
  }
  template <class T>
  GT_INLINE void stream(T* p, f32x16 v) const {
    store(p, v);
  }
  GT_INLINE f32x16 keep(f32x16 v) const { return v; }
};

struct StreamedLanes : AllLanes {
  template <class T>
  GT_INLINE void stream(T* p, f32x16 v) const {
    GT_ISA::stream(p, v);
  }
};

struct SomeLanes {
  std::int64_t n;
  template <class T>
  GT_INLINE f32x16 get(const T* p, float missing = 0.0f) const {
    return load_part(p, n, missing);
  }
  template <class T>
  GT_INLINE void put(T* p, f32x16 v) const {
    store_part(p, v, n);
  }
  template <class T>
  GT_INLINE void stream(T* p, f32x16 v) const {
    put(p, v);
  }
  GT_INLINE f32x16 keep(f32x16 v) const {  // 0 in the missing lanes
    constexpr i32x16 kIndex = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return select(kIndex < static_cast<std::int32_t>(n), v, f32x16{});
  }
};

template <class Body>
GT_INLINE void for_lanes(std::int64_t n, Body&& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(AllLanes{}, i);
  if (i < n) body(SomeLanes{n - i}, i);
}

// The same; what the body gives to lanes.stream(out + i, v) goes past the caches if `streamed`
// (kernels/streamed.h).
template <class T, class Body>
GT_INLINE void for_lanes_streamed(std::int64_t n, const T* out, bool streamed, Body&& body) {
  if (!streamed || reinterpret_cast<std::uintptr_t>(out) % (kLanes * sizeof(T)) != 0)
    return for_lanes(n, body);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(StreamedLanes{}, i);
  if (i < n) body(SomeLanes{n - i}, i);
  stream_end();
}

// The value that storing v as T and loading it again gives.
template <class T>
GT_INLINE f32x16 rounded(f32x16 v) {
  if constexpr (sizeof(T) == sizeof(float)) return v;
  T buffer[kLanes];
  store(buffer, v);
  return load(buffer);
}

GT_ISA_END
