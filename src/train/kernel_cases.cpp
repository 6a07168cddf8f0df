#include "train/kernel_cases.h"

#include <fmt/format.h>

#include "gigatrain/nn/models/gpt.h"
#include "kernels/dynamic_tree.h"
#include "kernels/random.h"

namespace gigatrain {

namespace {

using namespace kernels;

constexpr std::int64_t kT = 1024, kC = 768, kHeads = 12, kVocab = 50257;
constexpr std::int64_t kLogitsStride = (kVocab + 63) / 64 * 64;  // as linear_cross_entropy has it

template <class Args>
PreparedKernel ready(TensorMaker& make, const Args& args, std::vector<Tensor> keep) {
  Device* device = &make.device();
  return {[device, args, keep = std::move(keep)] { device->stream().submit(args); }, cost_of(args)};
}

struct Product {
  const char* what;
  std::int64_t m, k, n;
  bool trans_a = false, trans_b = false;
  bool accumulate = false;  // into f32, as weight gradients are
  bool bias = false, gelu = false;
};

// Collects cases; B sequences of T tokens are N rows.
class Cases {
 public:
  explicit Cases(std::int64_t sequences) : b_(sequences), n_(sequences * kT) {}

  void elementwise();
  void masks();
  void softmax();
  void picks();
  void copies();
  void sums();
  void activations();
  void norms();
  void embeddings();
  void loss();
  void attention();
  void gated();
  void rotary(bool norm);
  void products();
  void convolution();
  void optimizer();

  std::vector<KernelCase> all;

 private:
  void add(const std::string& name, const std::string& shape,
           std::function<PreparedKernel(TensorMaker&)> prepare) {
    all.push_back({name, shape, std::move(prepare)});
  }
  std::string rows(std::int64_t columns) const { return fmt::format("{} x {}", n_, columns); }
  DropoutArgs dropout() const {
    return {.rate = 0.1f, .key = random_key(1, "dropout", "bench"), .rows_per_sample = kT};
  }
  void norm(const char* variant, bool fused, bool drop, bool centered = true);
  void product(const Product& p);

  std::int64_t b_, n_;
};

template <class Args>
PreparedKernel binary_case(TensorMaker& make, const Shape& shape) {
  const Tensor a = make.activation(shape), b = make.activation(shape), y = make.activation(shape);
  return ready(make, Args{.a = a.view(), .b = b.view(), .y = y.view()}, {a, b, y});
}
template <class Args>
PreparedKernel unary_case(TensorMaker& make, const Shape& shape) {
  const Tensor x = make.activation(shape), y = make.activation(shape);
  return ready(make, Args{.x = x.view(), .y = y.view()}, {x, y});
}

void Cases::elementwise() {
  const Shape shape{n_, kC};
  const auto each = [&](const char* name, auto prepare) {
    add(name, rows(kC), [shape, prepare](TensorMaker& make) { return prepare(make, shape); });
  };
#define GT_BINARY_CASE(Args) each(Args::kName, binary_case<Args>);
#define GT_UNARY_CASE(Args) each(Args::kName, unary_case<Args>);
  GT_EACH_BINARY(GT_BINARY_CASE)
  GT_EACH_UNARY_BACKWARD(GT_BINARY_CASE)
  GT_EACH_UNARY(GT_UNARY_CASE)
  GT_UNARY_CASE(Scale)
  GT_UNARY_CASE(Pow)
#undef GT_BINARY_CASE
#undef GT_UNARY_CASE
}

void Cases::masks() {
  const Shape shape{n_, kC};
  const auto mask = [shape](TensorMaker& make) {
    return Tensor::empty(make.device(), shape, DType::u8);
  };
  const auto compare = [&](auto args) {
    using Args = decltype(args);
    add(Args::kName, rows(kC), [=](TensorMaker& make) {
      const Tensor a = make.activation(shape), b = make.activation(shape), y = mask(make);
      return ready(make, Args{.a = a.view(), .b = b.view(), .y = y.view()}, {a, b, y});
    });
  };
  compare(Equal{});
  compare(Less{});
  add(Where::kName, rows(kC), [=](TensorMaker& make) {
    const Tensor m = mask(make), a = make.activation(shape), b = make.activation(shape),
                 y = make.activation(shape);
    return ready(make, Where{.mask = m.view(), .a = a.view(), .b = b.view(), .y = y.view()},
                 {m, a, b, y});
  });
}

void Cases::softmax() {
  const Shape shape{n_, kVocab};
  add(SoftmaxForward::kName, rows(kVocab),
      [=](TensorMaker& make) { return unary_case<SoftmaxForward>(make, shape); });
  add(SoftmaxBackward::kName, rows(kVocab), [=](TensorMaker& make) {
    const Tensor y = make.activation(shape), dy = make.activation(shape);
    return ready(make, SoftmaxBackward{.y = y.view(), .dy = dy.view(), .dx = dy.view()}, {y, dy});
  });
}

// The best two of eight, as in a mixture of experts, and columns picked along rows.
void Cases::picks() {
  constexpr std::int64_t kExperts = 8, kBest = 2;
  add(TopK::kName, rows(kExperts), [n = n_](TensorMaker& make) {
    const Tensor x = make.activation({n, kExperts}), y = make.activation({n, kBest}),
                 index = Tensor::empty(make.device(), {n, kBest}, DType::i32);
    return ready(make, TopK{.x = x.view(), .values = y.view(), .indices = index.view()},
                 {x, y, index});
  });
  const Shape from{1, n_, kC}, to{1, n_ / 4, kC};
  add(Gather::kName, rows(kC), [=](TensorMaker& make) {
    const Tensor x = make.activation(from), y = make.activation(to), i = make.ids(to, from[1]);
    return ready(make, Gather{.x = x.view(), .index = i.view(), .y = y.view()}, {x, y, i});
  });
  add(ScatterAdd::kName, rows(kC), [=](TensorMaker& make) {
    const Tensor dx = make.f32(from), dy = make.activation(to), i = make.ids(to, from[1]);
    return ready(make, ScatterAdd{.index = i.view(), .dy = dy.view(), .dx = dx.view()},
                 {dx, dy, i});
  });
}

void Cases::copies() {
  add(Copy::kName, rows(kC), [n = n_](TensorMaker& make) {
    return unary_case<Copy>(make, {n, kC});
  });
  add("copy, transposed", rows(kC), [n = n_](TensorMaker& make) {
    const Tensor x = make.activation({n, kC}), y = make.activation({n, kC});
    TensorView to = y.view();  // (N, C) with its columns contiguous
    to.strides = {1, n};
    return ready(make, Copy{.x = x.view(), .y = to}, {x, y});
  });
  add("copy, weights to bf16", fmt::format("{} x {}", kVocab, kC), [](TensorMaker& make) {
    const Tensor x = make.f32({kVocab, kC});
    const Tensor y = Tensor::empty(make.device(), {kVocab, kC}, DType::bf16);
    return ready(make, Copy{.x = x.view(), .y = y.view()}, {x, y});
  });
  add(Fill::kName, rows(kC), [n = n_](TensorMaker& make) {
    const Tensor y = make.activation({n, kC});
    return ready(make, Fill{.y = y.view(), .value = 1.0}, {y});
  });
}

void Cases::sums() {
  add(Sum::kName, rows(kC), [n = n_](TensorMaker& make) {
    const Tensor x = make.activation({n, kC}), y = make.activation({1, 1});
    return ready(make, Sum{.x = x.view(), .y = y.view()}, {x, y});
  });
  add("sum, over rows", rows(kC), [n = n_](TensorMaker& make) {
    const Tensor x = make.activation({n, kC}), y = make.activation({1, kC});
    return ready(make, Sum{.x = x.view(), .y = y.view()}, {x, y});
  });
  constexpr int kPartials = 8;
  add(TreeSum::kName, fmt::format("{} of {} x {} f32", kPartials, kT, 4 * kC),
      [](TensorMaker& make) {
        TreeSum sum{.count = kPartials, .numel = kT * 4 * kC};
        std::vector<Tensor> keep;
        for (int i = 0; i < kPartials; ++i) {
          keep.push_back(make.f32({kT, 4 * kC}));
          sum.x[i] = keep.back().view().as<float>();
        }
        sum.y = keep.front().view().as<float>();
        return ready(make, sum, keep);
      });
  add(Digest::kName, fmt::format("{} x {} f32", kVocab, kC), [](TensorMaker& make) {
    const Tensor x = make.f32({kVocab, kC}), y = Tensor::empty(make.device(), {1}, DType::i64);
    return ready(make, Digest{.x = x.view(), .digest = y.view().as<std::uint64_t>()}, {x, y});
  });
}

void Cases::activations() {
  const Shape wide{n_, 4 * kC};
  add(GeluForward::kName, rows(4 * kC),
      [wide](TensorMaker& make) { return unary_case<GeluForward>(make, wide); });
  add(GeluBackward::kName, rows(4 * kC), [wide](TensorMaker& make) {
    const Tensor x = make.activation(wide), dy = make.activation(wide), dx = make.activation(wide);
    return ready(make, GeluBackward{.x = x.view(), .dy = dy.view(), .dx = dx.view()}, {x, dy, dx});
  });
  add(BiasGradient::kName, rows(4 * kC), [wide](TensorMaker& make) {
    const Tensor dy = make.activation(wide), dbias = make.f32({4 * kC});
    return ready(make, BiasGradient{.dy = dy.view(), .dbias = dbias.view()}, {dy, dbias});
  });
  for (const bool residual : {false, true})
    add(residual ? "dropout, residual" : Dropout::kName, rows(kC),
        [shape = Shape{n_, kC}, residual, drop = dropout()](TensorMaker& make) {
          const Tensor x = make.activation(shape), y = make.activation(shape);
          const Tensor r = residual ? make.activation(shape) : Tensor{};
          return ready(make,
                       Dropout{.x = x.view(),
                               .y = y.view(),
                               .residual = r ? r.view() : TensorView{},
                               .dropout = drop},
                       {x, y, r});
        });
}

void Cases::norm(const char* variant, bool fused, bool drop, bool centered) {
  const Shape shape{n_, kC}, per_row{n_}, channels{kC};
  const DropoutArgs args = drop ? dropout() : DropoutArgs{};
  add(LayerNormForward::kName + std::string(variant), rows(kC), [=](TensorMaker& make) {
    const Tensor x = make.activation(shape), y = make.activation(shape), w = make.f32(channels),
                 bias = make.f32(channels), mean = make.f32(per_row), rstd = make.f32(per_row);
    LayerNormForward a{.x = x.view(),
                       .weight = w.view(),
                       .bias = bias.view(),
                       .y = y.view(),
                       .mean = mean.view(),
                       .rstd = rstd.view(),
                       .dropout = args};
    std::vector<Tensor> keep{x, y, w, bias, mean, rstd};
    if (fused) {
      keep.push_back(make.activation(shape));
      a.delta = keep.back().view();
      keep.push_back(make.activation(shape));
      a.sum = keep.back().view();
    }
    if (!centered) a.mean = a.bias = {}, a.centered = false;
    return ready(make, a, keep);
  });
  add(LayerNormBackward::kName + std::string(variant), rows(kC), [=](TensorMaker& make) {
    const Tensor s = make.activation(shape), dy = make.activation(shape),
                 dsum = make.activation(shape), w = make.f32(channels), dw = make.f32(channels),
                 db = make.f32(channels), mean = make.f32(per_row), rstd = make.f32(per_row);
    LayerNormBackward a{.s = s.view(),
                        .weight = w.view(),
                        .mean = mean.view(),
                        .rstd = rstd.view(),
                        .dy = dy.view(),
                        .dsum = dsum.view(),
                        .dweight = dw.view(),
                        .dbias = db.view(),
                        .dropout = args};
    std::vector<Tensor> keep{s, dy, dsum, w, dw, db, mean, rstd};
    if (fused) {
      keep.push_back(make.activation(shape));
      a.dresidual = keep.back().view();
    }
    if (drop) {
      keep.push_back(make.activation(shape));
      a.ddelta = keep.back().view();
    }
    if (!centered) a.mean = a.dbias = {}, a.centered = false;
    return ready(make, a, keep);
  });
}

void Cases::norms() {
  norm("", false, false);
  norm(", residual", true, false);
  norm(", residual, dropout", true, true);
  norm(", rms", false, false, false);
  norm(", rms, residual", true, false, false);
}

// Of Llama-like models: a packed (N, 2 F) product output, and its gradient.
void Cases::gated() {
  constexpr std::int64_t kF = 2048;
  const Shape packed{n_, 2 * kF}, out{n_, kF};
  const auto half = [](const Tensor& x, std::int64_t which) {
    TensorView v = x.view();
    v.data = static_cast<char*>(v.data) + which * kF * size_of(v.dtype);
    v.shape[1] = kF;
    return v;
  };
  add(SwigluForward::kName, rows(kF), [=](TensorMaker& make) {
    const Tensor x = make.activation(packed), y = make.activation(out);
    return ready(make, SwigluForward{.gate = half(x, 0), .up = half(x, 1), .y = y.view()}, {x, y});
  });
  add(SwigluBackward::kName, rows(kF), [=](TensorMaker& make) {
    const Tensor x = make.activation(packed), dy = make.activation(out),
                 dx = make.activation(packed);
    return ready(make,
                 SwigluBackward{.gate = half(x, 0),
                                .up = half(x, 1),
                                .dy = dy.view(),
                                .dgate = half(dx, 0),
                                .dup = half(dx, 1)},
                 {x, dy, dx});
  });
}

// Packed queries, keys and values; in place without the norm, as the op does it.
void Cases::rotary(bool norm) {
  constexpr std::int64_t kQ = 16, kK = 8, kD = 128;
  const Shape packed{b_, kT, kQ + 2 * kK, kD};
  const std::string shape = fmt::format("{} x {} + {} heads of {}", n_, kQ, 2 * kK, kD);
  const std::string variant = norm ? ", norm" : "";
  RopeAngles angles{.pairs = kD / 2};
  for (std::uint64_t i = 0; i < kD / 2; ++i) angles.turns[i] = ~std::uint64_t{0} / (i * i + 7);
  add(RopeForward::kName + variant, shape, [=](TensorMaker& make) {
    const Tensor x = make.activation(packed), y = norm ? make.activation(packed) : x,
                 w = make.f32({kD});
    RopeForward a{.x = x.view(), .y = y.view(), .q_heads = kQ, .k_heads = kK, .angles = angles};
    if (norm) a.q_weight = a.k_weight = w.view();
    return ready(make, a, {x, y, w});
  });
  add(RopeBackward::kName + variant, shape, [=](TensorMaker& make) {
    const Tensor x = make.activation(packed), dy = make.activation(packed), w = make.f32({kD}),
                 dq = make.f32({kD}), dk = make.f32({kD});
    RopeBackward a{
        .dy = dy.view(), .dx = dy.view(), .q_heads = kQ, .k_heads = kK, .angles = angles};
    if (norm) {
      a.x = x.view();
      a.q_weight = a.k_weight = w.view();
      a.dq_weight = dq.view();
      a.dk_weight = dk.view();
    }
    return ready(make, a, {x, dy, w, dq, dk});
  });
}

void Cases::embeddings() {
  const Shape tokens{b_, kT}, out{b_, kT, kC}, table{kVocab, kC}, positions{kT, kC};
  const std::string shape = fmt::format("{} of {} x {}", n_, kVocab, kC);
  add(EmbeddingForward::kName, shape, [=](TensorMaker& make) {
    const Tensor ids = make.ids(tokens, kVocab), t = make.activation(table),
                 p = make.activation(positions), y = make.activation(out);
    return ready(
        make,
        EmbeddingForward{
            .tokens = ids.view(), .table = t.view(), .positions = p.view(), .out = y.view()},
        {ids, t, p, y});
  });
  add(EmbeddingBackward::kName, shape, [=](TensorMaker& make) {
    const Tensor ids = make.ids(tokens, kVocab), dout = make.activation(out), dt = make.f32(table),
                 dp = make.f32(positions);
    return ready(make,
                 EmbeddingBackward{.tokens = ids.view(),
                                   .dout = dout.view(),
                                   .dtable = dt.view(),
                                   .dpositions = dp.view()},
                 {ids, dout, dt, dp});
  });
}

void Cases::loss() {
  add(CrossEntropy::kName, rows(kVocab), [n = n_](TensorMaker& make) {
    const Tensor memory = make.activation({n, kLogitsStride}), loss = make.f32({n}),
                 targets = make.ids({n}, kVocab);
    TensorView logits = memory.view();
    logits.shape = {n, kVocab};
    return ready(make,
                 CrossEntropy{.logits = logits,
                              .targets = targets.view(),
                              .loss = loss.view(),
                              .dlogits = logits,
                              .scale = 1.0f / static_cast<float>(n)},
                 {memory, loss, targets});
  });
  add(PointwiseLoss::kName, rows(kC), [n = n_](TensorMaker& make) {
    const Tensor x = make.activation({n, kC}), target = make.activation({n, kC}),
                 dx = make.activation({n, kC}), loss = make.f32({1});
    return ready(
        make,
        PointwiseLoss{.x = x.view(), .target = target.view(), .loss = loss.view(), .dx = dx.view()},
        {x, target, dx, loss});
  });
}

// Heads of a packed (B, T, 3 C) tensor: which 0: q, 1: k, 2: v.
TensorView heads_of(const Tensor& packed, int which) {
  TensorView v = packed.view();
  const std::int64_t b = v.shape[0], t = v.shape[1], width = v.shape[2], d = kC / kHeads;
  v.data = static_cast<char*>(v.data) + which * kC * size_of(v.dtype);
  v.shape = {b, t, kHeads, d};
  v.strides = {t * width, width, d, 1};
  return v;
}

void Cases::attention() {
  const Shape packed{b_, kT, 3 * kC}, out{b_, kT, kC}, lse{b_, kHeads, kT};
  const std::string shape = fmt::format("{} x {} x {} heads of {}", b_, kT, kHeads, kC / kHeads);
  const float scale = 0.125f;
  add(AttentionForward::kName, shape, [=](TensorMaker& make) {
    const Tensor x = make.activation(packed), y = make.activation(out), l = make.f32(lse);
    return ready(make,
                 AttentionForward{.q = heads_of(x, 0),
                                  .k = heads_of(x, 1),
                                  .v = heads_of(x, 2),
                                  .out = heads_of(y, 0),
                                  .lse = l.view(),
                                  .scale = scale},
                 {x, y, l});
  });
  add(AttentionBackward::kName, shape, [=](TensorMaker& make) {
    const Tensor x = make.activation(packed), y = make.activation(out), dy = make.activation(out),
                 dx = make.activation(packed), l = make.f32(lse);
    return ready(make,
                 AttentionBackward{.q = heads_of(x, 0),
                                   .k = heads_of(x, 1),
                                   .v = heads_of(x, 2),
                                   .out = heads_of(y, 0),
                                   .lse = l.view(),
                                   .dout = heads_of(dy, 0),
                                   .dq = heads_of(dx, 0),
                                   .dk = heads_of(dx, 1),
                                   .dv = heads_of(dx, 2),
                                   .scale = scale},
                 {x, y, dy, dx, l});
  });
}

void Cases::product(const Product& p) {
  add(fmt::format("gemm, {}", p.what), fmt::format("{} x {} x {}", p.m, p.k, p.n),
      [p](TensorMaker& make) {
        const Shape c{p.m, p.n};
        const Tensor a = make.activation(p.trans_a ? Shape{p.k, p.m} : Shape{p.m, p.k}),
                     b = make.activation(p.trans_b ? Shape{p.n, p.k} : Shape{p.k, p.n}),
                     y = p.accumulate ? make.f32(c) : make.activation(c),
                     bias = p.bias ? make.f32({p.n}) : Tensor{},
                     pre = p.gelu ? make.activation(c) : Tensor{};
        return ready(make,
                     Gemm{.a = a.view(),
                          .b = b.view(),
                          .c = y.view(),
                          .trans_a = p.trans_a,
                          .trans_b = p.trans_b,
                          .accumulate = p.accumulate,
                          .bias = bias ? bias.view() : TensorView{},
                          .pre = pre ? pre.view() : TensorView{},
                          .gelu = p.gelu},
                     {a, b, y, bias, pre});
      });
}

void Cases::products() {
  product({.what = "qkv", .m = n_, .k = kC, .n = 3 * kC, .bias = true});
  product({.what = "proj", .m = n_, .k = kC, .n = kC, .bias = true});
  product({.what = "fc and gelu", .m = n_, .k = kC, .n = 4 * kC, .bias = true, .gelu = true});
  product({.what = "fc dx", .m = n_, .k = 4 * kC, .n = kC, .trans_b = true});
  product({.what = "fc dw", .m = kC, .k = n_, .n = 4 * kC, .trans_a = true, .accumulate = true});
  product({.what = "mlp proj", .m = n_, .k = 4 * kC, .n = kC, .bias = true});
  product({.what = "head", .m = n_, .k = kC, .n = kVocab, .trans_b = true});
}

std::vector<std::int64_t> parameter_sizes() {
  const auto model = nn::gpt({});
  std::vector<std::int64_t> sizes;
  for (const auto* p : nn::named_parameters(*model)) sizes.push_back(p->shape().numel());
  return sizes;
}

std::int64_t chunks_of(const std::vector<std::int64_t>& sizes) {
  std::int64_t chunks = 0;
  for (const std::int64_t n : sizes) chunks += scalar_chunks(n);
  return chunks;
}

PreparedKernel squares_case(TensorMaker& make, const std::vector<std::int64_t>& sizes) {
  const Tensor chunks = Tensor::empty(make.device(), {chunks_of(sizes)}, DType::f64);
  std::vector<Tensor> keep{chunks};
  const auto list = std::make_shared<std::vector<NormTensor>>();
  for (const std::int64_t n : sizes) {
    keep.push_back(Tensor::full(make.device(), {n}, 1e-3));
    list->push_back({keep.back().view().as<float>(), n});
  }
  const SquareSums args{.tensors = list->data(),
                        .count = static_cast<std::int64_t>(list->size()),
                        .chunks = chunks.view().as<double>()};
  PreparedKernel kernel = ready(make, args, keep);
  kernel.submit = [list, submit = kernel.submit] { submit(); };
  return kernel;
}

PreparedKernel norm_case(TensorMaker& make, const std::vector<std::int64_t>& sizes) {
  const Tensor chunks = Tensor::full(make.device(), {chunks_of(sizes)}, 1e-3, DType::f64);
  const Tensor result = Tensor::empty(make.device(), {2}, DType::f64);
  const auto list = std::make_shared<std::vector<std::int64_t>>();
  for (const std::int64_t n : sizes) list->push_back(scalar_chunks(n));
  const NormOfChunks args{.chunks_of = list->data(),
                          .count = static_cast<std::int64_t>(list->size()),
                          .chunks = chunks.view().as<double>(),
                          .max_norm = 1.0f,
                          .result = result.view().as<double>()};
  PreparedKernel kernel = ready(make, args, {chunks, result});
  kernel.submit = [list, submit = kernel.submit] { submit(); };
  return kernel;
}

// The parameters of a model as an optimizer's kernel sees them, in memory that `keep` holds.
class UpdateMemory {
 public:
  explicit UpdateMemory(TensorMaker& make) : make_(make) {
    const UpdateScalars values{.lr = 1e-4f, .correction1 = 0.9f};
    scalars_ = Tensor::empty(make.device(), {sizeof values / sizeof(float)}, DType::f32);
    make.device().upload(scalars_.view().data, &values, sizeof values);
    keep.push_back(scalars_);
  }
  const UpdateScalars* scalars() const { return scalars_.view().as<UpdateScalars>(); }
  float* f32(std::int64_t n) { return memory<float>(n, DType::f32); }
  std::uint8_t* u8(std::int64_t n) { return reinterpret_cast<std::uint8_t*>(f32((n + 3) / 4)); }
  template <class Entry>
  Entry entry(std::int64_t n) {
    Entry t;
    t.weight = f32(n), t.grad = f32(n), t.numel = n, t.weight_decay = 0.1f;
    if (make_.dtype() == DType::bf16) t.compute = memory<bf16>(n, DType::bf16);
    return t;
  }
  // `list` holds the call's entries.
  template <class Args, class List>
  PreparedKernel finish(Args args, const std::shared_ptr<List>& list) {
    args.tensors = list->data();
    args.count = static_cast<std::int64_t>(list->size());
    args.scalars = scalars();
    PreparedKernel kernel = ready(make_, args, keep);
    kernel.submit = [list, submit = kernel.submit] { submit(); };
    return kernel;
  }

  std::vector<Tensor> keep;

 private:
  template <class T>
  T* memory(std::int64_t n, DType dtype) {
    keep.push_back(Tensor::full(make_.device(), {n}, 1e-3, dtype));
    return static_cast<T*>(keep.back().view().data);
  }
  TensorMaker& make_;
  Tensor scalars_;
};

template <class Rule>
PreparedKernel update_case(TensorMaker& make, const std::vector<std::int64_t>& sizes, int states) {
  UpdateMemory memory(make);
  const auto list = std::make_shared<std::vector<UpdateTensor>>();
  for (const std::int64_t n : sizes) {
    list->push_back(memory.entry<UpdateTensor>(n));
    list->back().exp_avg = memory.f32(n);
    if (states > 1) list->back().exp_avg_sq = memory.f32(n);
  }
  return memory.finish(Update<Rule>{}, list);
}

PreparedKernel adamw8bit_case(TensorMaker& make, const std::vector<std::int64_t>& sizes) {
  UpdateMemory memory(make);
  const auto list = std::make_shared<std::vector<AdamW8bitTensor>>();
  for (const std::int64_t n : sizes) {
    const std::int64_t blocks = n / kStateBlock + 1;
    list->push_back(memory.entry<AdamW8bitTensor>(n));
    list->back().exp_avg = memory.u8(n), list->back().exp_avg_sq = memory.u8(n);
    list->back().exp_avg_absmax = memory.f32(blocks);
    list->back().exp_avg_sq_absmax = memory.f32(blocks);
  }
  float* codes = memory.f32(2 * kCodes);
  const auto trees = dynamic_trees();
  make.device().upload(codes, trees.data(), sizeof trees);
  return memory.finish(AdamW8bit{.codes = codes}, list);
}

PreparedKernel adafactor_case(TensorMaker& make, const std::vector<std::int64_t>& sizes) {
  UpdateMemory memory(make);
  const auto list = std::make_shared<std::vector<AdafactorTensor>>();
  for (const std::int64_t n : sizes) {
    const bool matrix = n > 4 * kC;
    list->push_back(memory.entry<AdafactorTensor>(n));
    list->back().cols = matrix ? kC : n;
    if (matrix) list->back().row = memory.f32(n / kC);
    list->back().col = memory.f32(list->back().cols);
  }
  return memory.finish(Adafactor{}, list);
}

// 3 x 3 and 32 groups at the first stage of a ResNet, eight images for each sequence.
void Cases::convolution() {
  constexpr std::int64_t kImage = 56, kChannels = 64, kTaps = 9, kGroups = 32;
  const std::int64_t n = 8 * b_, pixels = kImage * kImage;
  const Shape images{n, kChannels, kImage, kImage}, planes{n, kChannels, pixels},
      columns{n, kChannels * kTaps, pixels}, channels{kChannels}, rows{n, kGroups};
  const std::string shape = fmt::format("{} x {} x {} x {}", n, kChannels, kImage, kImage);
  const kernels::ConvWindow window{.kernel = {3, 3}, .padding = {1, 1}};
  add(Im2col::kName, shape, [=](TensorMaker& make) {
    const Tensor x = make.activation(images), y = make.activation(columns);
    return ready(make, Im2col{.x = x.view(), .columns = y.view(), .window = window}, {x, y});
  });
  add(Col2im::kName, shape, [=](TensorMaker& make) {
    const Tensor x = make.activation(columns), y = make.activation(images);
    return ready(make, Col2im{.columns = x.view(), .dx = y.view(), .window = window}, {x, y});
  });
  add(ChannelSum::kName, shape, [=](TensorMaker& make) {
    const Tensor x = make.activation(planes), y = make.f32(channels);
    return ready(make, ChannelSum{.x = x.view(), .y = y.view()}, {x, y});
  });
  add(GroupNormForward::kName, shape, [=](TensorMaker& make) {
    const Tensor x = make.activation(planes), y = make.activation(planes), w = make.f32(channels),
                 bias = make.f32(channels), mean = make.f32(rows), rstd = make.f32(rows);
    return ready(make,
                 GroupNormForward{.x = x.view(),
                                  .weight = w.view(),
                                  .bias = bias.view(),
                                  .y = y.view(),
                                  .mean = mean.view(),
                                  .rstd = rstd.view()},
                 {x, y, w, bias, mean, rstd});
  });
  add(GroupNormBackward::kName, shape, [=](TensorMaker& make) {
    const Tensor x = make.activation(planes), dy = make.activation(planes),
                 dx = make.activation(planes), w = make.f32(channels), dw = make.f32(channels),
                 db = make.f32(channels), mean = make.f32(rows), rstd = make.f32(rows);
    return ready(make,
                 GroupNormBackward{.x = x.view(),
                                   .weight = w.view(),
                                   .mean = mean.view(),
                                   .rstd = rstd.view(),
                                   .dy = dy.view(),
                                   .dx = dx.view(),
                                   .dweight = dw.view(),
                                   .dbias = db.view()},
                 {x, dy, dx, w, dw, db, mean, rstd});
  });
}

void Cases::optimizer() {
  const std::vector<std::int64_t> sizes = parameter_sizes();
  std::int64_t total = 0;
  for (const std::int64_t n : sizes) total += n;
  const std::string shape = fmt::format("{} in {} tensors", total, sizes.size());
  add(SquareSums::kName, shape, [sizes](TensorMaker& make) { return squares_case(make, sizes); });
  add(NormOfChunks::kName, shape, [sizes](TensorMaker& make) { return norm_case(make, sizes); });
  const auto update = [&](auto rule, int states) {
    using Rule = decltype(rule);
    add(Rule::kName, shape,
        [sizes, states](TensorMaker& make) { return update_case<Rule>(make, sizes, states); });
  };
  update(AdamWRule{}, 2);
  update(SgdRule{}, 1);
  update(LionRule{}, 1);
  add(AdamW8bit::kName, shape, [sizes](TensorMaker& make) { return adamw8bit_case(make, sizes); });
  add(Adafactor::kName, shape, [sizes](TensorMaker& make) { return adafactor_case(make, sizes); });
}

}  // namespace

Tensor TensorMaker::uniform(const Shape& shape, DType dtype) {
  const std::int64_t n = shape.numel();
  Device& host = device_.host();
  if (!host_values_ || host_values_.numel() < n) {
    host_values_ = Tensor::empty(host, {n}, DType::f32);
    run(host.stream().cpu(), FillUniform{.y = host_values_.view(), .low = 0.5f, .high = 1.5f});
  }
  const Tensor values = Tensor::empty(device_, shape, DType::f32);
  device_.upload(values.view().data, host_values_.view().data, n * 4);
  if (dtype == DType::f32) return values;
  const Tensor converted = Tensor::empty(device_, shape, dtype);
  device_.stream().submit(Copy{.x = values.view(), .y = converted.view()});
  return converted;
}

Tensor TensorMaker::ids(const Shape& shape, std::int64_t below) {
  std::vector<std::int32_t> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<std::int32_t>(i * 7919 % static_cast<std::size_t>(below));
  return Tensor::from<std::int32_t>(device_, shape, values);
}

std::vector<KernelCase> kernel_cases(std::int64_t sequences) {
  Cases cases(sequences);
  cases.elementwise();
  cases.masks();
  cases.copies();
  cases.sums();
  cases.activations();
  cases.norms();
  cases.embeddings();
  cases.loss();
  cases.softmax();
  cases.picks();
  cases.attention();
  cases.gated();
  cases.rotary(false);
  cases.rotary(true);
  cases.products();
  cases.convolution();
  cases.optimizer();
  return cases.all;
}

}  // namespace gigatrain
