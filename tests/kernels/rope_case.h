// The tensors of a rotary embedding with the norm before it, and its formulas in f64, for the tests
// of the CPU's kernel and the GPU's.
#pragma once

#include "kernels/rope.h"
#include "kernels/same_bits.h"

namespace gigatrain::kernels::testing {

struct RopeShape {
  std::int64_t b = 2, t = 3, q = 4, k = 2, others = 2, d = 8, pairs = 4;
  bool interleaved = false, norm = true;
  std::int64_t heads() const { return q + k + others; }
};

// Radians a position of pair i, as the kernels and the formulas are given them.
inline double test_radians(std::int64_t i) {
  return std::pow(0.7, static_cast<double>(i));
}

template <class T>
struct RopeCase : RopeShape {
  Shape shape;
  Array<T> x, y, dy, dx;
  Array<float> q_weight, k_weight, dq_weight, dk_weight;
  Array<std::int32_t> positions;
  RopeAngles angles;

  explicit RopeCase(const RopeShape& s)
      : RopeShape(s),
        shape{b, t, heads(), d},
        x(random_array<T>(shape, 1)),
        y(shape),
        dy(random_array<T>(shape, 2)),
        dx(shape),
        q_weight(random_array<float>({d}, 3)),
        k_weight(random_array<float>({d}, 4)),
        dq_weight({d}, 0.5f),
        dk_weight({d}, 0.25f),
        positions(random_tokens({b, t}, 5, 1 << 20)) {
    angles.pairs = pairs;
    angles.interleaved = interleaved;
    angles.scale = 1.25f;
    angles.positions = positions.view();
    for (std::int64_t i = 0; i < pairs; ++i)
      angles.turns[i] = static_cast<std::uint64_t>(std::ldexp(test_radians(i) / (2.0 * M_PI), 64));
  }

  RopeForward forward() {
    RopeForward a{.x = x.view(), .y = y.view(), .q_heads = q, .k_heads = k, .angles = angles};
    if (norm) a.q_weight = q_weight.view(), a.k_weight = k_weight.view();
    return a;
  }
  RopeBackward backward() {
    RopeBackward a{.dy = dy.view(), .dx = dx.view(), .q_heads = q, .k_heads = k, .angles = angles};
    if (!norm) return a;
    a.x = x.view();
    a.q_weight = q_weight.view(), a.k_weight = k_weight.view();
    a.dq_weight = dq_weight.view(), a.dk_weight = dk_weight.view();
    a.accumulate = true;
    return a;
  }

  // v turned by the angles of a position, or back, times the scale; the pairs' columns.
  std::vector<double> turned(std::vector<double> v, std::int64_t row, double sign) const {
    for (std::int64_t i = 0; i < pairs; ++i) {
      const double a = sign * test_radians(i) * positions.at(row);
      double& p = v[static_cast<std::size_t>(interleaved ? 2 * i : i)];
      double& r = v[static_cast<std::size_t>(interleaved ? 2 * i + 1 : i + pairs)];
      const double before = p;
      p = 1.25 * (before * std::cos(a) - r * std::sin(a));
      r = 1.25 * (r * std::cos(a) + before * std::sin(a));
    }
    return v;
  }

  struct Reference {
    std::vector<double> y, dx, dq, dk;
  };
  Reference reference() const {
    Reference r;
    r.dq.assign(static_cast<std::size_t>(d), 0.5);
    r.dk.assign(static_cast<std::size_t>(d), 0.25);
    for (std::int64_t row = 0; row < b * t; ++row)
      for (std::int64_t h = 0; h < heads(); ++h) add_head(row, h, r);
    return r;
  }

 private:
  void add_head(std::int64_t row, std::int64_t h, Reference& r) const {
    std::vector<double> v, g;
    for (std::int64_t i = 0; i < d; ++i) {
      v.push_back(x.at((row * heads() + h) * d + i));
      g.push_back(dy.at((row * heads() + h) * d + i));
    }
    if (h < q + k) {
      g = turned(g, row, -1.0);
      if (norm) normalise(h < q ? q_weight : k_weight, v, g, h < q ? r.dq : r.dk);
      v = turned(v, row, 1.0);
    }
    r.y.insert(r.y.end(), v.begin(), v.end());
    r.dx.insert(r.dx.end(), g.begin(), g.end());
  }

  // v: normalised; g: its gradient, then that of the head.
  void normalise(const Array<float>& weight, std::vector<double>& v, std::vector<double>& g,
                 std::vector<double>& dweight) const {
    const auto n = static_cast<double>(d);
    double squares = 0.0, gx = 0.0;
    for (const double e : v) squares += e * e / n;
    const double rstd = 1.0 / std::sqrt(squares + 1e-6);
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double w = weight.at(static_cast<std::int64_t>(i));
      v[i] *= rstd;
      dweight[i] += g[i] * v[i];
      g[i] *= w;
      gx += g[i] * v[i] / n;
    }
    for (std::size_t i = 0; i < v.size(); ++i) {
      g[i] = rstd * (g[i] - v[i] * gx);
      v[i] *= weight.at(static_cast<std::int64_t>(i));
    }
  }
};

}  // namespace gigatrain::kernels::testing
