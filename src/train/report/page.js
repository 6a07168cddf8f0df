// The page: reads the data, builds charts and panels, and answers the controls.

const data = JSON.parse(document.getElementById('data').textContent);
const runs = data.runs;
runs.forEach((run, i) => {
  run.color = `var(--run${i % 8})`;
  run.dash = i >= 8 ? '7 4' : undefined;
  run.curves ??= {};
});

const axes = {
  step: {
    label: 'steps',
    format: formatCount,
    at: (v) => 'step ' + Math.round(v).toLocaleString('en')
  },
  tokens: {label: 'tokens', format: formatCount, at: (v) => formatCount(v) + ' tokens'},
  seconds: {label: 'time', format: formatDuration, at: (v) => 'after ' + formatDuration(v)},
};

// A straight line between the points of a rising curve.
function interpolate(curve, step) {
  const {x, y} = curve;
  let b = x.findIndex((v) => v >= step);
  if (b < 0) b = x.length - 1;
  const a = Math.max(b - 1, 0);
  if (a === b || x[a] === x[b]) return y[b];
  return y[a] + (y[b] - y[a]) * (step - x[a]) / (x[b] - x[a]);
}

const view = {
  runs,
  hidden: new Set(),
  axis: 'step',
  smoothing: 0.6,
  at: null,
  active: null,
  redraw: [],
  horizontal(run, steps) {
    const curve = run.curves[this.axis];
    return this.axis === 'step' || !curve ? steps : steps.map((v) => interpolate(curve, v));
  },
  formatX(v) { return axes[this.axis].format(v); },
  label(v) { return axes[this.axis].at(v); },
  hover(x, chart = null) {
    this.at = x;
    this.active = chart;
    for (const c of charts) c.drawHover();
  },
  draw() {
    for (const c of charts) c.draw();
    for (const d of this.redraw) d();
  },
};

const seriesOf = (field, extra) => runs.filter((r) => r.curves[field]?.y.some(isNumber))
                                       .map((run) => ({run, ...run.curves[field], ...extra}));
const charts =
    [
      {
        title: 'Loss',
        hint: 'nats a token; dots: evaluation',
        wide: true,
        smooth: true,
        positive: true,
        format: formatNumber,
        series: [...seriesOf('loss'), ...seriesOf('eval', {dots: true, label: 'evaluation'})]
      },
      {
        title: 'Evaluation',
        hint: 'on data never trained on',
        positive: true,
        format: formatNumber,
        series: seriesOf('eval', {dots: true})
      },
      {title: 'Learning rate', hint: '', format: formatNumber, zero: true, series: seriesOf('lr')},
      {
        title: 'Gradient norm',
        hint: 'before clipping',
        smooth: true,
        positive: true,
        format: formatNumber,
        series: seriesOf('grad_norm')
      },
      {
        title: 'Throughput',
        hint: 'tokens a second',
        smooth: true,
        zero: true,
        format: formatCount,
        series: seriesOf('tokens_per_s')
      },
      {
        title: 'Share of the limit',
        hint: 'of measured matrix products',
        smooth: true,
        zero: true,
        format: formatPercent,
        series: seriesOf('mfu')
      },
      {
        title: 'Memory',
        hint: 'peak of live blocks',
        zero: true,
        ticks: byteTicks,
        format: formatBytes,
        series: seriesOf('mem_bytes')
      },
      {
        title: 'Loss scale',
        hint: 'of f16',
        positive: true,
        log: true,
        format: formatCount,
        series: seriesOf('loss_scale')
      },
    ].filter((spec) => spec.series.length > 0)
        .map((spec) => new Chart(view, spec));

function footer() {
  const span = Math.max(1, ...runs.flatMap((r) => Object.values(r.curves).map((c) => c.span ?? 1)));
  const lines =
      ['Made by gigatrain ' + data.version + ' from the run folders; the page needs no network.'];
  if (span > 1) {
    lines.push(
        `Long curves are drawn with at most 1,024 points, each the mean of up to ${
            span} steps; the band around it spans ` +
        'their smallest and largest value, so no spike is lost. metrics.jsonl has every step.');
  }
  document.getElementById('footer').append(...lines.map((l) => h('p', null, l)));
}

function build() {
  const one = runs.length === 1;
  document.getElementById('title').textContent = one ? runs[0].name : runs.length + ' runs';
  const devices = [...new Set(runs.map((r) => r.facts.device).filter(Boolean))];
  document.getElementById('subtitle').textContent =
      (one ? '' : runs.map((r) => r.name).join(', ') + ' · ') + devices.join('; ');
  document.title = (one ? runs[0].name : runs.length + ' runs') + ', gigatrain report';
  document.getElementById('main').append(
      one ? summaryTiles(runs[0]) : summaryTable(runs), h('h2', null, 'Curves'),
      charts.length ? h('div', {class: 'grid'}, charts.map((c) => c.element)) :
                      h('p', {class: 'note'}, 'No step is recorded yet.'),
      ...partsPanels(),
      ...(runs.some((r) => r.samples.length) ? samplesPanel(view).filter(Boolean) : []),
      ...configPanel(runs, data.defaults), ...machinePanel(runs), ...messagesPanel(runs));
  legend();
  axisButtons();
  smoothingSlider();
  themeButton();
  footer();
}
build();
