// Attention backward on the CPU: see kernels/attention.h. P is computed again from lse; with
// delta[t] = sum_d dout[t] out[t]:
//
//   dV = P^T dout;  dP = dout V^T;  dS = scale P (dP - delta);  dQ = dS K;  dK = dS^T Q
//
// The queries of a head are cut, and a cut owns its dQ. Cuts' parts of dK and dV are added over
// heads of a group and cuts, in ascending order. A task is a key head with all its cuts where these
// keep the threads busy, or else one cut, and parts are added afterwards: the same sums, so nothing
// depends on threads.
#include "kernels/cpu/attention_backward_bf16.h"
#include "kernels/cpu/attention_mask.h"

GT_ISA_BEGIN
namespace {

constexpr std::int64_t kTasks = 32;   // aim: enough for threads to end together
constexpr std::int64_t kMaxCuts = 8;  // each cut holds a dK and a dV of its own

// How the queries are cut: a function of the shape only.
struct Cuts {
  std::int64_t count, size;  // size in queries
  explicit Cuts(const AttentionProblem& p) {
    const std::int64_t blocks = blocks_of(p.tq, kQueries);
    const std::int64_t wanted = smaller(kMaxCuts, blocks_of(kTasks, p.b * p.h));
    size = blocks_of(blocks, smaller(wanted, blocks)) * kQueries;
    count = blocks_of(p.tq, size);
  }
  GT_INLINE std::int64_t length(const AttentionProblem& p, std::int64_t cut) const {
    return smaller(size, p.tq - cut * size);
  }
  // How many keys a cut sees.
  GT_INLINE std::int64_t reach(const AttentionProblem& p, std::int64_t cut) const {
    return mask_of(p).seen(cut * size + length(p, cut) - 1, 0, p.tk);
  }
};

struct Task {
  std::int64_t b, h, q0, queries;  // queries [q0, q0 + queries)
};

// A worker's memory. Per query block: q and dout as right sides, plain (keys' gradients) and
// transposed (scores). Per key block: k and v as left sides, k as a right side.
struct Workspace {
  float *q, *q_transposed, *dout, *dout_transposed, *dq, *delta, *lse;
  float *k, *v, *k_right, *dk, *dv, *scores, *dscores;

  static std::int64_t floats(std::int64_t d, std::int64_t queries) {
    return padded(queries) * (5 * padded_columns(d) + 2) +
           kKeys * (5 * padded_columns(d) + 2 * kQueries) + 14 * kLanes;
  }
  Workspace(float* memory, std::int64_t d, std::int64_t queries) {
    const std::int64_t width = padded_columns(d);
    Carve carve{memory};
    q = carve.take(queries * width), q_transposed = carve.take(queries * d);
    dout = carve.take(queries * width), dout_transposed = carve.take(queries * d);
    dq = carve.take(queries * width), delta = carve.take(queries), lse = carve.take(queries);
    k = carve.take(kKeys * d), v = carve.take(kKeys * d), k_right = carve.take(kKeys * width);
    dk = carve.take(kKeys * width), dv = carve.take(kKeys * width);
    scores = carve.take(kKeys * kQueries), dscores = carve.take(kKeys * kQueries);
  }
};

template <class T>
void pack_queries(const AttentionProblem& p, const Workspace& w, const Task& t) {
  const std::int64_t width = padded_columns(p.d);
  for (std::int64_t at = 0; at < t.queries; at += kQueries) {
    const std::int64_t n = smaller(kQueries, t.queries - at);
    const T* q = rows_of<T>(p.q, t.b, t.h, t.q0 + at);
    const T* dout = rows_of<T>(p.dout, t.b, t.h, t.q0 + at);
    pack_right(q, p.q.t_step, n, p.d, w.q + at * width);
    pack_right_transposed(q, p.q.t_step, n, p.d, w.q_transposed + at * p.d);
    pack_right(dout, p.dout.t_step, n, p.d, w.dout + at * width);
    pack_right_transposed(dout, p.dout.t_step, n, p.d, w.dout_transposed + at * p.d);
  }
}

template <class T>
void row_sums(const AttentionProblem& p, const Workspace& w, const Task& t) {
  const float* lse = p.lse + (t.b * p.h + t.h) * p.lse_h_step + t.q0 * p.lse_t_step;
  for (std::int64_t i = 0; i < t.queries; ++i) {
    const T *out = rows_of<T>(p.out, t.b, t.h, t.q0 + i),
            *dout = rows_of<T>(p.dout, t.b, t.h, t.q0 + i);
    w.delta[i] = dot(out, dout, p.d), w.lse[i] = lse[i * p.lse_t_step];
  }
}

// scores -> P, dscores (dP) -> dS, for sixteen queries.
GT_INLINE void gradient_step(float* scores, float* dscores, std::int64_t keys,
                             const AttentionProblem& p, const KeyMask& mask, bool all,
                             std::int64_t q0, std::int64_t k0, f32x16 lse, f32x16 delta) {
  const f32x16 scale = splat(p.scale), of_score = splat(p.masked() ? 1.0f : p.scale);
  for (std::int64_t s = 0; s < keys; ++s) {
    f32x16 e = exp(fma(load(scores + s * kQueries), of_score, -lse));
    if (!all) e = select(mask.lanes(q0, k0 + s), e, f32x16{});
    store(scores + s * kQueries, e);
    store(dscores + s * kQueries, e * (load(dscores + s * kQueries) - delta) * scale);
  }
}

// Queries [at, at + 64) of the task against keys [k0, k0 + keys), packed in `w`.
void one_block(const AttentionProblem& p, const Workspace& w, const Task& t, std::int64_t at,
               std::int64_t k0, std::int64_t keys) {
  const KeyMask mask = mask_of(p);
  const std::int64_t n = smaller(kQueries, t.queries - at), q0 = t.q0 + at, d = p.d;
  const std::int64_t seen = mask.seen(q0 + n - 1, k0, keys), width = padded_columns(d);
  if (seen == 0 || !segments_meet(p, t.b, q0, n, k0, seen)) return;
  const std::int64_t columns = padded_columns(n);
  block_product({kPackedF32, w.k, d}, seen, keys, d, w.q_transposed + at * d, d, columns, w.scores,
                kQueries, false);
  block_product({kPackedF32, w.v, d}, seen, keys, d, w.dout_transposed + at * d, d, columns,
                w.dscores, kQueries, false);
  if (p.masked()) scale_and_mask(p, t.b, t.h, q0, n, k0, seen, w.scores);
  const bool all = mask.all_seen(q0, k0 + seen);
  for (std::int64_t j = 0; j < n; j += kLanes)
    gradient_step(w.scores + j, w.dscores + j, seen, p, mask, all, q0 + j, k0, load(w.lse + at + j),
                  load(w.delta + at + j));
  block_product({kKeyRows, w.scores, kQueries}, seen, seen, n, w.dout + at * width, n, width, w.dv,
                width, true);
  block_product({kKeyRows, w.dscores, kQueries}, seen, seen, n, w.q + at * width, n, width, w.dk,
                width, true);
  block_product({kQueryRows, w.dscores, 1}, n, n, seen, w.k_right, keys, width, w.dq + at * width,
                width, true);
}

template <class T>
void write_rows(const float* from, std::int64_t from_step, T* to, std::int64_t to_step,
                std::int64_t rows, std::int64_t d) {
  for (std::int64_t i = 0; i < rows; ++i)
    for_lanes(d, [&](auto lanes, std::int64_t j)
                     GT_BODY { lanes.put(to + i * to_step + j, load(from + i * from_step + j)); });
}

// A cut's rows of dK or dV: added to sums of cuts before it, or put in their place.
GT_INLINE void put_rows(const float* from, float* to, std::int64_t n, bool add) {
  for (std::int64_t i = 0; i < n; i += kLanes)
    store(to + i, add ? load(to + i) + load(from + i) : load(from + i));
}

// Where a cut's dK and dV go: `part` holds (Tk, width) of each; null: they are the whole and go to
// the end.
template <class T>
struct KeyGradients {
  const AttentionProblem& p;
  std::int64_t b, h_kv;
  float* part;
  bool add = false;  // to what the part holds

  void write(std::int64_t k0, std::int64_t keys, const float* dk, const float* dv,
             std::int64_t width) const {
    if (part) {
      put_rows(dk, part + k0 * width, keys * width, add);
      put_rows(dv, part + (p.tk + k0) * width, keys * width, add);
    } else {
      to_end(k0, keys, dk, dv, width);
    }
  }
  void to_end(std::int64_t k0, std::int64_t keys, const float* dk, const float* dv,
              std::int64_t width) const {
    write_rows(dk, width, rows_of<T>(p.dk, b, h_kv, k0), p.dk.t_step, keys, p.d);
    write_rows(dv, width, rows_of<T>(p.dv, b, h_kv, k0), p.dv.t_step, keys, p.d);
  }
};

template <class T>
void run_task(const AttentionProblem& p, const Workspace& w, const Task& t, std::int64_t reach,
              const KeyGradients<T>& to) {
  const std::int64_t width = padded_columns(p.d);
  pack_queries<T>(p, w, t);
  row_sums<T>(p, w, t);
  clear(w.dq, t.queries * width);
  for (std::int64_t k0 = 0; k0 < reach; k0 += kKeys) {
    const std::int64_t keys = smaller(kKeys, p.tk - k0);
    const T *k = rows_of<T>(p.k, t.b, to.h_kv, k0), *v = rows_of<T>(p.v, t.b, to.h_kv, k0);
    pack_left(k, p.k.t_step, keys, p.d, w.k);
    pack_right(k, p.k.t_step, keys, p.d, w.k_right);
    pack_left(v, p.v.t_step, keys, p.d, w.v);
    clear(w.dk, keys * width), clear(w.dv, keys * width);
    for (std::int64_t at = 0; at < t.queries; at += kQueries) one_block(p, w, t, at, k0, keys);
    to.write(k0, keys, w.dk, w.dv, width);
  }
  write_rows(w.dq, width, rows_of<T>(p.dq, t.b, t.h, t.q0), p.dq.t_step, t.queries, p.d);
}

// Row `key` of dK (which 0) or dV (1) of one key head: the parts of the heads that read it and of
// the cuts that reach it.
template <class T>
void add_parts(const AttentionProblem& p, const Cuts& cuts, const float* parts, std::int64_t b,
               std::int64_t h_kv, std::int64_t key, int which) {
  const std::int64_t width = padded_columns(p.d), group = p.h / p.h_kv;
  T* to = rows_of<T>(which ? p.dv : p.dk, b, h_kv, key);
  for_lanes(p.d, [&](auto lanes, std::int64_t j) GT_BODY {
    f32x16 sum{};
    for (std::int64_t h = h_kv * group; h < (h_kv + 1) * group; ++h)
      for (std::int64_t c = 0; c < cuts.count; ++c) {
        if (cuts.reach(p, c) <= key / kKeys * kKeys) continue;  // never written
        const std::int64_t part = (b * p.h + h) * cuts.count + c;
        sum += load(parts + ((part * 2 + which) * p.tk + key) * width + j);
      }
    lanes.put(to + j, sum);
  });
}

// One cut of one head, in a worker's memory.
template <class T>
void run_cut([[maybe_unused]] CpuQueue& queue, const Cuts& cuts, float* memory, const Task& t,
             std::int64_t reach, const KeyGradients<T>& to) {
#if defined(GT_AMX)
  const bool done = with_pairs<T>(queue, [&](auto products) {
    PairBackward<typename decltype(products)::type>(to.p, memory, cuts.size)
        .run(t.b, t.h, t.q0, t.queries, reach,
             [&](std::int64_t k0, std::int64_t keys, const float* dk, const float* dv,
                 std::int64_t width) { to.write(k0, keys, dk, dv, width); });
  });
  if (done) return;
#endif
  run_task<T>(to.p, Workspace(memory, to.p.d, cuts.size), t, reach, to);
}

// A task is a key head: all cuts of the heads that read it, whose sums stay in the worker's cache.
template <class T>
void by_key_heads(CpuQueue& queue, const AttentionProblem& p, const Cuts& cuts,
                  std::int64_t floats) {
  const std::int64_t group = p.h / p.h_kv, width = padded_columns(p.d), sums = 2 * p.tk * width;
  const Scratch scratch(queue, queue.pool.threads() * (sums + floats) * 4, "attention.backward");
  queue.pool.parallel_for(p.b * p.h_kv, [&](std::int64_t task, int worker) {
    float* sum = scratch.as<float>() + worker * (sums + floats);
    const KeyGradients<T> to{p, task / p.h_kv, task % p.h_kv, sum, true};
    clear(sum, sums);
    for (std::int64_t h = to.h_kv * group; h < (to.h_kv + 1) * group; ++h)
      for (std::int64_t cut = 0; cut < cuts.count; ++cut) {
        const Task t{to.b, h, cut * cuts.size, cuts.length(p, cut)};
        run_cut<T>(queue, cuts, sum + sums, t, cuts.reach(p, cut), to);
      }
    to.to_end(0, p.tk, sum, sum + p.tk * width, width);
  });
}

// A task is one cut of one head; its part of dK and dV goes to memory.
template <class T>
void by_cuts(CpuQueue& queue, const AttentionProblem& p, const Cuts& cuts, std::int64_t floats,
             bool whole) {
  const std::int64_t heads = p.b * p.h, part = 2 * p.tk * padded_columns(p.d);
  const Scratch scratch(queue, queue.pool.threads() * floats * 4, "attention.backward");
  const Scratch parts(queue, whole ? 0 : heads * cuts.count * part * 4, "attention.dkv");
  queue.pool.parallel_for(heads * cuts.count, [&](std::int64_t task, int worker) {
    const std::int64_t cut = cuts.count - 1 - task / heads, head = task % heads;  // longest first
    const Task t{head / p.h, head % p.h, cut * cuts.size, cuts.length(p, cut)};
    const KeyGradients<T> to{
        p, t.b, t.h / (p.h / p.h_kv),
        whole ? nullptr : parts.as<float>() + (head * cuts.count + cut) * part};
    run_cut<T>(queue, cuts, scratch.as<float>() + worker * floats, t,
               whole ? p.tk : cuts.reach(p, cut), to);
  });
  if (whole) return;
  for_blocks(queue, p.b * p.h_kv * p.tk, kKeys, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i)
      for (int which = 0; which < 2; ++which)
        add_parts<T>(p, cuts, parts.as<float>(), i / p.tk / p.h_kv, i / p.tk % p.h_kv, i % p.tk,
                     which);
  });
}

template <class T>
void backward(CpuQueue& queue, const AttentionProblem& p) {
  const Cuts cuts(p);
  std::int64_t floats = Workspace::floats(p.d, cuts.size);
#if defined(GT_AMX)
  with_pairs<T>(queue, [&](auto products) {
    floats = PairBackward<typename decltype(products)::type>::floats(p.d, cuts.size);
  });
#endif
  const bool whole = cuts.count == 1 && p.h == p.h_kv;
  if (!whole && fill_threads(queue, p.b * p.h_kv))
    by_key_heads<T>(queue, p, cuts, floats);
  else
    by_cuts<T>(queue, p, cuts, floats, whole);
}

// No query: the gradients of the keys are zero.
template <class T>
void clear_keys(const AttentionProblem& p) {
  for (std::int64_t b = 0; b < p.b; ++b)
    for (std::int64_t h = 0; h < p.h_kv; ++h)
      for (std::int64_t t = 0; t < p.tk; ++t)
        for (std::int64_t j = 0; j < p.d; ++j)
          rows_of<T>(p.dk, b, h, t)[j] = rows_of<T>(p.dv, b, h, t)[j] = T(0.0f);
}

}  // namespace

void run(CpuQueue& queue, const AttentionBackward& args) {
  const AttentionProblem p = check_attention(args);
  if (p.b * p.h * p.d == 0) return;
  with_activation_type(AttentionBackward::kName, p.dtype, [&](auto type) {
    if (p.tq == 0) return queue.pool.dry() ? void() : clear_keys<decltype(type)>(p);
    for (std::int64_t i = 0; i < p.sequences; ++i)
      if (const AttentionProblem one = sequence_of(p, i); one.tq > 0)
        backward<decltype(type)>(queue, one);
  });
}

GT_ISA_END
GT_CPU_KERNEL(AttentionBackward)
