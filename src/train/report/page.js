// The page: reads the data, builds charts and panels, and answers the controls.

const data = JSON.parse(document.getElementById("data").textContent);
const runs = data.runs;
runs.forEach((run, i) => {
  run.color = `var(--run${i % 8})`;
  run.dash = i >= 8 ? "7 4" : undefined;
  run.curves ??= {};
});

const axes = {
  step: {label: "steps", format: formatCount, at: (v) => "step " + Math.round(v).toLocaleString("en")},
  tokens: {label: "tokens", format: formatCount, at: (v) => formatCount(v) + " tokens"},
  seconds: {label: "time", format: formatDuration, at: (v) => "after " + formatDuration(v)},
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
  runs, hidden: new Set(), axis: "step", smoothing: 0.6, at: null, active: null, redraw: [],
  horizontal(run, steps) {
    const curve = run.curves[this.axis];
    return this.axis === "step" || !curve ? steps : steps.map((v) => interpolate(curve, v));
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

const seriesOf = (field, extra) => runs.filter((r) => r.curves[field]?.y.some(isNumber)).map((run) => ({run, ...run.curves[field], ...extra}));
const charts = [
  {title: "Loss", hint: "nats a token; dots: evaluation", wide: true, smooth: true, positive: true, format: formatNumber,
    series: [...seriesOf("loss"), ...seriesOf("eval", {dots: true, label: "evaluation"})]},
  {title: "Evaluation", hint: "on data never trained on", positive: true, format: formatNumber, series: seriesOf("eval", {dots: true})},
  {title: "Learning rate", hint: "", format: formatNumber, zero: true, series: seriesOf("lr")},
  {title: "Gradient norm", hint: "before clipping", smooth: true, positive: true, format: formatNumber, series: seriesOf("grad_norm")},
  {title: "Throughput", hint: "tokens a second", smooth: true, zero: true, format: formatCount, series: seriesOf("tokens_per_s")},
  {title: "Share of the limit", hint: "of measured matrix products", smooth: true, zero: true, format: formatPercent, series: seriesOf("mfu")},
  {title: "Memory", hint: "peak of live blocks", zero: true, ticks: byteTicks, format: formatBytes, series: seriesOf("mem_bytes")},
  {title: "Loss scale", hint: "of f16", positive: true, log: true, format: formatCount, series: seriesOf("loss_scale")},
].filter((spec) => spec.series.length > 0).map((spec) => new Chart(view, spec));

function partsPanels() {
  const measured = runs.filter((r) => r.profiles > 0 && r.profiled_ms > 0);
  if (measured.length === 0) {
    return [h("p", {class: "note"}, "Time by kernel family and memory by purpose are not in these run folders: they are " +
      "recorded every ten steps or log.every, whichever is more, by versions from this one on.")];
  }
  return [h("h2", null, "Where time and memory go"), h("div", {class: "grid"},
    breakdown(measured, kernelParts, formatMs, "Time by kernel family", "a step",
      "Means over " + plural(Math.max(...measured.map((r) => r.profiles)), "step") + " whose every kernel was timed."),
    breakdown(measured, (r) => r.memory, formatBytes, "Memory by purpose", "peaks",
      "Purposes peak at different moments, so together they may be more than the peak of the whole."))];
}

function legend() {
  const chip = (run) => h("button", {class: "chip", type: "button", color: run.color, "aria-pressed": true, title: run.folder,
    onclick: (e) => {
      if (!view.hidden.delete(run)) view.hidden.add(run);
      e.currentTarget.setAttribute("aria-pressed", !view.hidden.has(run));
      view.draw();
    }}, h("i", {class: "dot", color: run.color}), h("span", null, run.name));
  document.getElementById("legend").append(...(runs.length > 1 ? runs.map(chip) : []));
}

function axisButtons() {
  const possible = Object.keys(axes).filter((a) => a === "step" || runs.every((r) => r.curves[a]?.y.every(isNumber)));
  const buttons = possible.map((a) => h("button", {type: "button", "aria-pressed": a === view.axis, onclick: () => {
    view.axis = a;
    buttons.forEach((b, i) => b.setAttribute("aria-pressed", possible[i] === a));
    view.hover(null);
    view.draw();
  }}, axes[a].label));
  document.getElementById("axis").append(...buttons);
}

function smoothingSlider() {
  const input = document.getElementById("smoothing"), shown = document.getElementById("smoothing-value");
  input.value = view.smoothing;
  const read = () => {
    view.smoothing = Number(input.value);
    shown.textContent = view.smoothing === 0 ? "off" : view.smoothing.toFixed(2);
  };
  input.addEventListener("input", () => { read(); view.draw(); });
  read();
}

// "auto" follows the system. ?theme=dark in the address decides too.
function themeButton() {
  const button = document.getElementById("theme"), themes = ["auto", "light", "dark"];
  let stored = null;
  try { stored = localStorage.getItem("gigatrain-theme"); } catch { /* some browsers forbid it for files */ }
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = {auto: "Auto", light: "Light", dark: "Dark"}[theme];
    button.setAttribute("aria-label", "Theme: " + theme);
  };
  const asked = new URLSearchParams(location.search).get("theme") ?? stored;
  show(themes.includes(asked) ? asked : "auto");
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
    show(next);
    try { localStorage.setItem("gigatrain-theme", next); } catch { /* as above */ }
  });
}

function footer() {
  const span = Math.max(1, ...runs.flatMap((r) => Object.values(r.curves).map((c) => c.span ?? 1)));
  const lines = ["Made by gigatrain " + data.version + " from the run folders; the page needs no network."];
  if (span > 1) {
    lines.push(`Long curves are drawn with at most 1,024 points, each the mean of up to ${span} steps; the band around it spans ` +
      "their smallest and largest value, so no spike is lost. metrics.jsonl has every step.");
  }
  document.getElementById("footer").append(...lines.map((l) => h("p", null, l)));
}

function build() {
  const one = runs.length === 1;
  document.getElementById("title").textContent = one ? runs[0].name : runs.length + " runs";
  const devices = [...new Set(runs.map((r) => r.facts.device).filter(Boolean))];
  document.getElementById("subtitle").textContent = (one ? "" : runs.map((r) => r.name).join(", ") + " · ") + devices.join("; ");
  document.title = (one ? runs[0].name : runs.length + " runs") + ", gigatrain report";
  document.getElementById("main").append(one ? summaryTiles(runs[0]) : summaryTable(runs),
    h("h2", null, "Curves"), charts.length ? h("div", {class: "grid"}, charts.map((c) => c.element)) : h("p", {class: "note"}, "No step is recorded yet."),
    ...partsPanels(), ...(runs.some((r) => r.samples.length) ? samplesPanel(view).filter(Boolean) : []),
    ...configPanel(runs, data.defaults), ...machinePanel(runs), ...messagesPanel(runs));
  legend();
  axisButtons();
  smoothingSlider();
  themeButton();
  footer();
}
build();
