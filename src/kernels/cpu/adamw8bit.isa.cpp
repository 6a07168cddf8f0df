// AdamW with moments in 8 bits, on the CPU: see kernels/adamw8bit.h.
#include "kernels/adamw8bit.h"

#include "kernels/cpu/look_up.h"
#include "kernels/cpu/weights.h"
#include "kernels/nearest_code.h"

GT_ISA_BEGIN
namespace {

// NearestCode without its search: a table by the leading bits of x says where to begin, at the
// code below the least such x, and a step or two lead to the code below x.
class CodeFinder {
 public:
  static constexpr int kDropped = 17;  // bits
  static constexpr std::uint32_t kKeys = 1u << (32 - kDropped), kNegative = kKeys / 2;

  CodeFinder(const float* codes, std::uint8_t* table) : table_(table) {
    for (int i = 0; i < kCodes; ++i) codes_[i] = codes[i];
    codes_[kCodes] = __builtin_inff();
    int at = 0;
    for (std::uint32_t key = kKeys; key-- > kNegative;)  // from the most negative x on
      enter(key, key << kDropped | ((1u << kDropped) - 1), at);
    for (std::uint32_t key = 0; key < kNegative; ++key) enter(key, key << kDropped, at);
  }

  // What NearestCode gives.
#if defined(__AVX512F__)
  GT_INLINE i32x16 operator()(f32x16 x) const {
    i32x16 at = look_up(table_, (i32x16)((u32x16)x >> kDropped));
    for (int i = 0; i < steps_; ++i) at -= less_equal(look_up(codes_ + 1, at), x);
    return at - less(look_up(codes_ + 1, at) - x, x - look_up(codes_, at));
  }
#endif
  GT_INLINE int operator()(float x) const {
    std::uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    int at = table_[bits >> kDropped];
    for (int i = 0; i < steps_; ++i) at += codes_[at + 1] <= x;
    return at + (codes_[at + 1] - x < x - codes_[at]);
  }

 private:
  void enter(std::uint32_t key, std::uint32_t least_bits, int& at) {
    float least;
    __builtin_memcpy(&least, &least_bits, sizeof least);
    const int before = at;
    if (least != least) at = 0;  // as the search has it
    while (least == least && at + 1 < kCodes && codes_[at + 1] <= least) ++at;
    if (least >= -1.0f && least <= 1.0f && at - before > steps_) steps_ = at - before;
    table_[key] = static_cast<std::uint8_t>(at);
  }

  float codes_[kCodes + 1];  // and one that nothing reaches
  std::uint8_t* table_;
  int steps_ = 1;
};

void decode(const std::uint8_t* from, std::int64_t n, const float* codes, float scale, float* to) {
  std::int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + kLanes <= n; i += kLanes) store(to + i, look_up(codes, load_bytes(from + i)) * scale);
#endif
  for (; i < n; ++i) to[i] = codes[from[i]] * scale;
}

// signed_code and unsigned_code of nearest_code.h, sixteen elements at a time where that is faster.
template <bool Signed>
void encode(const CodeFinder& nearest, const float* from, std::int64_t n, float absmax,
            std::uint8_t* to) {
  std::int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + kLanes <= n; i += kLanes) {
    const f32x16 x = load(from + i);
    i32x16 code = nearest(absmax > 0.0f ? x / absmax : f32x16{});
    if (!Signed) code -= (code == 0) & less(f32x16{}, x);
    store_bytes(to + i, code);
  }
#endif
  for (; i < n; ++i)
    to[i] =
        Signed ? signed_code(nearest, from[i], absmax) : unsigned_code(nearest, from[i], absmax);
}

float largest(const float* x, std::int64_t n) {
  f32x16 most{};
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 v = lanes.get(x + i);
    most = max(most, max(v, -v));
  });
  return reduce_max(most);
}

// Elements [begin, begin + n) of a tensor, n at most kStateBlock.
void update_block(const AdamW8bit& a, const AdamW8bitTensor& p, const UpdateFactors& f,
                  const CodeFinder& nearest_signed, const CodeFinder& nearest_unsigned,
                  std::int64_t begin, std::int64_t n) {
  const float *signs = a.codes, *unsigneds = a.codes + kCodes;
  const std::int64_t block = begin / kStateBlock;
  float m[kStateBlock], v[kStateBlock];
  decode(p.exp_avg + begin, n, signs, p.exp_avg_absmax[block], m);
  decode(p.exp_avg_sq + begin, n, unsigneds, p.exp_avg_sq_absmax[block], v);
  for_lanes(n, [&](auto lanes, std::int64_t k) GT_BODY {
    const std::int64_t i = begin + k;
    f32x16 mean = lanes.get(m + k), square = lanes.get(v + k);
    const f32x16 w =
        apply<LaneMath>(a.rule, f, get_weight(p, lanes, i), lanes.get(p.grad + i), mean, square);
    lanes.put(m + k, mean);
    lanes.put(v + k, square);
    put_weight(p, a.scalars->step, lanes, i, w);
  });
  const float most_m = largest(m, n), most_v = largest(v, n);
  p.exp_avg_absmax[block] = most_m;
  p.exp_avg_sq_absmax[block] = most_v;
  encode<true>(nearest_signed, m, n, most_m, p.exp_avg + begin);
  encode<false>(nearest_unsigned, v, n, most_v, p.exp_avg_sq + begin);
}

}  // namespace

void run(CpuQueue& queue, const AdamW8bit& args) {
  const float clip = queue.pool.dry() ? 1.0f : clip_of(args.clip);
  if (clip != clip) return;
  const Scratch tables(queue, 2 * CodeFinder::kKeys + 3, "adamw8bit.codes");
  if (queue.pool.dry()) return;
  const CodeFinder signs(args.codes, tables.as<std::uint8_t>());
  const CodeFinder unsigneds(args.codes + kCodes, tables.as<std::uint8_t>() + CodeFinder::kKeys);
  for_chunks(queue, args, [&](const AdamW8bitTensor& p, std::int64_t begin, std::int64_t n) {
    const UpdateFactors f = factors_of(*args.scalars, p, clip);
    for (std::int64_t i = 0; i < n; i += kStateBlock)
      update_block(args, p, f, signs, unsigneds, begin + i, smaller(kStateBlock, n - i));
  });
}

GT_ISA_END

GT_CPU_KERNEL(AdamW8bit)
