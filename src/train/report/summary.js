// The runs in numbers: tiles for one run, a table for several.

const card = (title, hint, ...children) =>
    h('section', {class: 'card'},
      h('div', {class: 'head'}, h('h3', null, title), h('span', {class: 'muted'}, hint)),
      ...children);
const runName = (run) =>
    h('span', {class: 'run'}, h('i', {class: 'dot', color: run.color}), run.name);

const mean = (curve) => {
  const values = (curve?.y ?? []).filter(isNumber);
  return values.length ? values.reduce((a, b) => a + b) / values.length : null;
};
function lowest(curve) {
  let best = null;
  (curve?.low ?? curve?.y ?? []).forEach((v, i) => {
    if (isNumber(v) && (best === null || v < best.value)) best = {value: v, step: curve.x[i]};
  });
  return best;
}

// better: -1 where less is better, 1 where more is.
const facts = [
  {label: 'final loss', of: (r) => r.loss, format: formatNumber, better: -1},
  {
    label: 'best evaluation',
    of: (r) => lowest(r.curves.eval)?.value,
    format: formatNumber,
    better: -1,
    detail: (r) => lowest(r.curves.eval) && 'at step ' + lowest(r.curves.eval).step
  },
  {
    label: 'steps',
    of: (r) => r.step,
    format: (v) => v.toLocaleString('en'),
    detail: (r) => r.reason || 'still running, or cut short'
  },
  {label: 'tokens', of: (r) => r.curves.tokens?.y.findLast(isNumber), format: formatCount},
  {
    label: 'time',
    of: (r) => r.seconds,
    format: formatDuration,
    detail: (r) => r.starts > 1 ? plural(r.starts, 'start') : ''
  },
  {
    label: 'tokens/s',
    of: (r) => mean(r.curves.tokens_per_s),
    format: formatCount,
    better: 1,
    detail: () => 'mean'
  },
  {
    label: 'of the limit',
    of: (r) => mean(r.curves.mfu),
    format: formatPercent,
    better: 1,
    detail: (r) =>
        isNumber(r.numbers.limit_flops) ? 'of ' + formatRate(r.numbers.limit_flops) : 'mean'
  },
  {
    label: 'peak memory',
    of: (r) => r.curves.mem_bytes?.y.findLast(isNumber),
    format: formatBytes,
    better: -1
  },
];

function summaryTiles(run) {
  const tile = (value, label, detail) =>
      h('div', {class: 'card tile'}, h('b', null, value),
        h('span', {class: 'muted'}, label + (detail ? ', ' + detail : '')));
  return h(
      'div', {class: 'tiles'},
      facts.filter((f) => isNumber(f.of(run)))
          .map((f) => tile(f.format(f.of(run), true), f.label, f.detail?.(run))));
}

function summaryTable(runs) {
  const best = facts.map((f) => {
    const values = runs.map(f.of).filter(isNumber);
    return f.better && new Set(values).size > 1 ? (f.better < 0 ? Math.min : Math.max)(...values) :
                                                  null;
  });
  const row = (run) =>
      h('tr', null, h('td', {class: 'together'}, runName(run)), facts.map((f, i) => {
        const value = f.of(run);
        return h(
            'td', {class: 'number', 'data-label': f.label},
            h('span', {class: isNumber(value) && value === best[i] ? 'best' : ''},
              isNumber(value) ? f.format(value, true) : '–'));
      }),
        h('td', {'data-label': 'state digest', class: 'mono together'}, run.digest || '–'),
        h('td', {'data-label': 'machine', class: 'long'}, run.facts.device ?? '–'));
  return h(
      'section', {class: 'card scroll', style: 'margin-top: 22px'},
      h('table', {class: 'summary'},
        h('thead', null,
          h('tr', null, h('th', null, 'run'), facts.map((f) => h('th', {class: 'number'}, f.label)),
            h('th', null, 'state digest'), h('th', null, 'machine'))),
        h('tbody', null, runs.map(row))));
}
