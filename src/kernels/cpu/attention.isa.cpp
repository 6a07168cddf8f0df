// Attention forward on the CPU: see kernels/attention.h. A task is one head and some 256 queries
// (up to 1024 in the processor's own bf16); it walks over the keys once, packing K and V for all of
// its queries:
//
//   S = scale q k;  m' = max(m, max S);  P = exp(S - m');  a = exp(m - m')
//   l = a l + sum P;  O = a O + P V;     at the end  out = O / l,  lse = m + log l
#include "kernels/attention.h"

#include "kernels/cpu/attention_forward_bf16.h"
#include "kernels/cpu/attention_mask.h"

GT_ISA_BEGIN
namespace {

struct Task {
  std::int64_t b, h, q0, queries;  // queries [q0, q0 + queries)
};

struct Workspace {
  float *q, *k, *v, *scores, *out, *max, *sum, *factor;

  static std::int64_t floats(std::int64_t d) {
    return kTaskQueries * (2 * padded_columns(d) + 2) + kKeys * 2 * padded_columns(d) +
           kKeys * kQueries + kQueries + 8 * kLanes;
  }
  Workspace(float* memory, std::int64_t d) {
    const std::int64_t width = padded_columns(d);
    Carve carve{memory};
    q = carve.take(kTaskQueries * d), k = carve.take(kKeys * d), v = carve.take(kKeys * width);
    scores = carve.take(kKeys * kQueries), out = carve.take(kTaskQueries * width);
    max = carve.take(kTaskQueries), sum = carve.take(kTaskQueries), factor = carve.take(kQueries);
  }
};

// One step of the softmax for sixteen queries: scores (keys, 16 of kQueries) become P.
GT_INLINE void softmax_step(float* scores, std::int64_t keys, float scale, const KeyMask& mask,
                            bool all, std::int64_t q0, std::int64_t k0, float* max_at,
                            float* sum_at, float* factor_at) {
  const f32x16 old_max = load(max_at);
  f32x16 new_max = old_max, sum{};
  for (std::int64_t s = 0; s < keys; ++s) {
    f32x16 v = load(scores + s * kQueries) * scale;
    if (!all) v = select(mask.lanes(q0, k0 + s), v, splat(-__builtin_inff()));
    store(scores + s * kQueries, v);
    new_max = max(v, new_max);
  }
  for (std::int64_t s = 0; s < keys; ++s) {
    const f32x16 e = exp(load(scores + s * kQueries) - new_max);
    store(scores + s * kQueries, e);
    sum += e;
  }
  const f32x16 factor = exp(old_max - new_max);
  store(factor_at, factor);
  store(max_at, new_max);
  store(sum_at, fma(load(sum_at), factor, sum));
}

GT_INLINE void scale_rows(float* out, std::int64_t rows, std::int64_t width, const float* factor) {
  for (std::int64_t i = 0; i < rows; ++i) {
    if (factor[i] == 1.0f) continue;
    for (std::int64_t j = 0; j < width; j += kLanes)
      store(out + i * width + j, load(out + i * width + j) * factor[i]);
  }
}

// Queries [q0, q0 + n) of the task, n <= kQueries, with keys [k0, k0 + keys) packed in `w`.
void one_block(const AttentionProblem& p, const Workspace& w, const Task& task, std::int64_t at,
               std::int64_t k0, std::int64_t keys) {
  const KeyMask mask = mask_of(p);
  const std::int64_t n = smaller(kQueries, task.queries - at), q0 = task.q0 + at;
  const std::int64_t seen = mask.seen(q0 + n - 1, k0, keys), width = padded_columns(p.d);
  if (seen == 0 || !segments_meet(p, task.b, q0, n, k0, seen)) return;
  block_product({kPackedF32, w.k, p.d}, seen, keys, p.d, w.q + at * p.d, p.d, padded_columns(n),
                w.scores, kQueries, false);
  if (p.masked()) scale_and_mask(p, task.b, task.h, q0, n, k0, seen, w.scores);
  const float scale = p.masked() ? 1.0f : p.scale;
  const bool all = mask.all_seen(q0, k0 + seen);
  for (std::int64_t j = 0; j < n; j += kLanes)
    softmax_step(w.scores + j, seen, scale, mask, all, q0 + j, k0, w.max + at + j, w.sum + at + j,
                 w.factor + j);
  scale_rows(w.out + at * width, n, width, w.factor);
  block_product({kQueryRows, w.scores, 1}, n, n, seen, w.v, keys, width, w.out + at * width, width,
                true);
}

template <class T>
void finish(const AttentionProblem& p, const Workspace& w, const Task& task) {
  const std::int64_t width = padded_columns(p.d);
  for (std::int64_t i = 0; i < task.queries; ++i) {
    T* out = rows_of<T>(p.out, task.b, task.h, task.q0 + i);
    const float inverse = w.sum[i] == 0.0f ? 0.0f : 1.0f / w.sum[i];  // 0: it saw no key
    for_lanes(p.d, [&](auto lanes, std::int64_t j)
                       GT_BODY { lanes.put(out + j, load(w.out + i * width + j) * inverse); });
  }
  if (!p.lse) return;
  for (std::int64_t i = 0; i < task.queries; i += kLanes)
    store(w.sum + i, select(equal(load(w.sum + i), f32x16{}), splat(__builtin_inff()),
                            load(w.max + i) + log(load(w.sum + i))));
  float* lse = p.lse + (task.b * p.h + task.h) * p.lse_h_step + task.q0 * p.lse_t_step;
  for (std::int64_t i = 0; i < task.queries; ++i) lse[i * p.lse_t_step] = w.sum[i];
}

template <class T>
void run_task(const AttentionProblem& p, const Workspace& w, const Task& task) {
  const std::int64_t width = padded_columns(p.d), h_kv = task.h / (p.h / p.h_kv);
  for (std::int64_t at = 0; at < task.queries; at += kQueries)
    pack_right_transposed(rows_of<T>(p.q, task.b, task.h, task.q0 + at), p.q.t_step,
                          smaller(kQueries, task.queries - at), p.d, w.q + at * p.d);
  clear(w.out, kTaskQueries * width);
  for (std::int64_t i = 0; i < kTaskQueries; ++i) w.max[i] = kLowestScore, w.sum[i] = 0.0f;
  const std::int64_t end = mask_of(p).seen(task.q0 + task.queries - 1, 0, p.tk);
  for (std::int64_t k0 = 0; k0 < end; k0 += kKeys) {
    const std::int64_t keys = smaller(kKeys, p.tk - k0);
    if (!segments_meet(p, task.b, task.q0, task.queries, k0, keys)) continue;
    pack_left(rows_of<T>(p.k, task.b, h_kv, k0), p.k.t_step, keys, p.d, w.k);
    pack_right(rows_of<T>(p.v, task.b, h_kv, k0), p.v.t_step, keys, p.d, w.v);
    for (std::int64_t at = 0; at < task.queries; at += kQueries)
      one_block(p, w, task, at, k0, keys);
  }
  finish<T>(p, w, task);
}

// body(memory of the worker, task), for tasks of at most `queries`.
template <class Body>
void for_tasks(CpuQueue& queue, const AttentionProblem& p, std::int64_t queries,
               std::int64_t floats, const Body& body) {
  const std::int64_t cuts = blocks_of(p.tq, queries), heads = p.b * p.h;
  const Scratch scratch(queue, queue.pool.threads() * floats * 4, "attention.forward");
  queue.pool.parallel_for(cuts * heads, [&](std::int64_t task, int worker) {
    const std::int64_t cut = cuts - 1 - task / heads, head = task % heads;  // most keys first
    body(scratch.as<float>() + worker * floats,
         Task{head / p.h, head % p.h, cut * queries, smaller(queries, p.tq - cut * queries)});
  });
}

template <class T>
void forward(CpuQueue& queue, const AttentionProblem& p) {
  if (p.b * p.h * p.tq * p.d == 0) return;
#if defined(GT_AMX)
  const bool done = with_pairs<T>(queue, [&](auto products) {
    using Pairs = PairForward<typename decltype(products)::type>;
    const std::int64_t queries = fill_threads(queue, p.b * p.h) ? kMostQueries : kTaskQueries;
    for_tasks(queue, p, queries, Pairs::floats(p.d, queries), [&](float* memory, const Task& t) {
      Pairs(p, memory, queries).run(t.b, t.h, t.q0, t.queries);
    });
  });
  if (done) return;
#endif
  for_tasks(queue, p, kTaskQueries, Workspace::floats(p.d),
            [&](float* memory, const Task& t) { run_task<T>(p, Workspace(memory, p.d), t); });
}

}  // namespace

void run(CpuQueue& queue, const AttentionForward& args) {
  const AttentionProblem p = check_attention(args);
  with_activation_type(AttentionForward::kName, p.dtype, [&](auto type) {
    for (std::int64_t i = 0; i < p.sequences; ++i)
      forward<decltype(type)>(queue, sequence_of(p, i));
  });
}

GT_ISA_END
GT_CPU_KERNEL(AttentionForward)
