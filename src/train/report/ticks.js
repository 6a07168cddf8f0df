// Round numbers along an axis, and what else a chart computes.

function linearTicks(low, high, count, steps = [1, 2, 2.5, 5, 10]) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * (steps.find((m) => m * power >= raw * 0.999) ?? 10);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i)
    ticks.push(i * step);
  return ticks;
}

function timeTicks(low, high, count) {
  const nice = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400];
  const step = nice.find((n) => n >= (high - low) / count);
  if (!step || high - low < count) return linearTicks(low, high, count);
  return linearTicks(low / step, high / step, (high - low) / step + 1, [1]).map((t) => t * step);
}

// Round numbers of KiB, MiB, ...
function byteTicks(low, high, count) {
  const unit = 1024 ** Math.max(Math.floor(Math.log2(high) / 10), 0);
  return linearTicks(low / unit, high / unit, count).map((t) => t * unit);
}

function logTicks(low, high, count) {
  if (high / low < 8) return linearTicks(low, high, count).filter((t) => t > 0);
  const few = Math.log10(high / low) > 3, ticks = [];
  for (let e = Math.floor(Math.log10(low)); 10 ** e <= high; ++e) {
    for (const m of few ? [1] : [1, 2, 5]) {
      if (m * 10 ** e >= low && m * 10 ** e <= high) ticks.push(m * 10 ** e);
    }
  }
  return ticks;
}

// An exponential mean that does not lean towards its start.
function smoothed(values, weight) {
  let sum = 0, total = 0;
  return values.map((v) => {
    if (v === null) return null;
    sum = weight * sum + (1 - weight) * v;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

function nearest(xs, x) {
  let a = 0, b = xs.length - 1;
  while (b - a > 1) {
    const middle = (a + b) >> 1;
    if (xs[middle] < x)
      a = middle;
    else
      b = middle;
  }
  return Math.abs(xs[a] - x) <= Math.abs(xs[b] - x) ? a : b;
}
