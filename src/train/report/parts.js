// Where time and memory go: a bar a run, made of parts.

// A bar a run, all to one scale, and a table of the parts, the largest first.
function breakdown(runs, partsOf, format, title, hint, note) {
  const parts = runs.map(partsOf), total = (p) => Object.values(p).reduce((a, b) => a + b, 0);
  const most = Math.max(...parts.map(total));
  const sum = (name) => parts.reduce((a, p) => a + (p[name] ?? 0), 0);
  const names = [...new Set(parts.flatMap(Object.keys))]
                    .filter((n) => sum(n) > 0)
                    .sort((a, b) => sum(b) - sum(a));
  const color = (name) =>
      name === 'outside kernels' ? 'var(--rest)' : `var(--part${names.indexOf(name) % 9})`;
  const bar = (run, p) =>
      h('div', {class: 'stack-row'},
        h('p', null, runs.length > 1 ? runName(run) : h('span'),
          h('span', {class: 'muted'}, format(total(p), true))),
        h('div', {class: 'stack', role: 'img', 'aria-label': run.name},
          names.filter((n) => p[n] > 0).map((n) => {
            const piece = h('i', {color: color(n), title: n + ': ' + format(p[n])});
            piece.style.width = 100 * p[n] / most + '%';
            return piece;
          })));
  const cell = (p, n) =>
      [h('td', {class: 'number together'}, format(p[n] ?? 0, true)),
       h('td', {class: 'number share muted'}, formatPercent((p[n] ?? 0) / total(p), true))];
  return card(
      title, hint, runs.map((r, i) => bar(r, parts[i])),
      h('div', {class: 'parts scroll' + (runs.length > 1 ? ' many' : '')},
        h('table', null,
          runs.length > 1 ?
              h('thead', null,
                h('tr', null, h('th'),
                  runs.flatMap(
                      (r) => [h('th', {class: 'number'}, r.name), h('th', {class: 'share'})]))) :
              null,
          h('tbody', null,
            names.map(
                (n) =>
                    h('tr', null, h('td', null, h('i', {class: 'dot', color: color(n)}), n),
                      parts.flatMap((p) => cell(p, n))))))),
      h('p', {class: 'note'}, note));
}

function kernelParts(run) {
  const parts = {};
  let inside = 0;
  for (const [family, ms] of Object.entries(run.kernel_ms)) {
    parts[family] = ms / run.profiles;
    inside += parts[family];
  }
  parts['outside kernels'] = Math.max(run.profiled_ms / run.profiles - inside, 0);
  return parts;
}

function partsPanels() {
  const measured = runs.filter((r) => r.profiles > 0 && r.profiled_ms > 0);
  if (measured.length === 0) {
    return [h(
        'p', {class: 'note'},
        'Time by kernel family and memory by purpose are not in these run folders: one step in ten, or in ' +
            'log.every if that is more, is measured, and older versions measured none.')];
  }
  return [
    h('h2', null, 'Where time and memory go'),
    h('div', {class: 'grid'},
      breakdown(
          measured, kernelParts, formatMs, 'Time by kernel family', 'a step',
          'Means over ' + plural(Math.max(...measured.map((r) => r.profiles)), 'step') +
              ' whose every kernel was timed.'),
      breakdown(
          measured, (r) => r.memory, formatBytes, 'Memory by purpose', 'peaks',
          'Purposes peak at different moments, so together they may be more than the peak of the whole.'))
  ];
}
