// What is no curve: the summary, memory and time by part, samples, configuration, machine, messages.

const card = (title, hint, ...children) => h("section", {class: "card"},
  h("div", {class: "head"}, h("h3", null, title), h("span", {class: "muted"}, hint)), ...children);
const runName = (run) => h("span", {class: "run"}, h("i", {class: "dot", color: run.color}), run.name);

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
  {label: "final loss", of: (r) => r.loss, format: formatNumber, better: -1},
  {label: "best evaluation", of: (r) => lowest(r.curves.eval)?.value, format: formatNumber, better: -1,
    detail: (r) => lowest(r.curves.eval) && "at step " + lowest(r.curves.eval).step},
  {label: "steps", of: (r) => r.step, format: (v) => v.toLocaleString("en"), detail: (r) => r.reason || "still running, or cut short"},
  {label: "tokens", of: (r) => r.curves.tokens?.y.findLast(isNumber), format: formatCount},
  {label: "time", of: (r) => r.seconds, format: formatDuration, detail: (r) => r.starts > 1 ? plural(r.starts, "start") : ""},
  {label: "tokens/s", of: (r) => mean(r.curves.tokens_per_s), format: formatCount, better: 1, detail: () => "mean"},
  {label: "of the limit", of: (r) => mean(r.curves.mfu), format: formatPercent, better: 1, detail: (r) =>
    isNumber(r.numbers.limit_flops) ? "of " + formatRate(r.numbers.limit_flops) : "mean"},
  {label: "peak memory", of: (r) => r.curves.mem_bytes?.y.findLast(isNumber), format: formatBytes, better: -1},
];

function summaryTiles(run) {
  const tile = (value, label, detail) => h("div", {class: "card tile"}, h("b", null, value),
    h("span", {class: "muted"}, label + (detail ? ", " + detail : "")));
  return h("div", {class: "tiles"}, facts.filter((f) => isNumber(f.of(run)))
    .map((f) => tile(f.format(f.of(run), true), f.label, f.detail?.(run))));
}

function summaryTable(runs) {
  const best = facts.map((f) => {
    const values = runs.map(f.of).filter(isNumber);
    return f.better && new Set(values).size > 1 ? (f.better < 0 ? Math.min : Math.max)(...values) : null;
  });
  const row = (run) => h("tr", null, h("td", {class: "together"}, runName(run)), facts.map((f, i) => {
    const value = f.of(run);
    return h("td", {class: "number", "data-label": f.label},
      h("span", {class: isNumber(value) && value === best[i] ? "best" : ""}, isNumber(value) ? f.format(value, true) : "–"));
  }), h("td", {"data-label": "state digest", class: "mono together"}, run.digest || "–"),
  h("td", {"data-label": "machine", class: "long"}, run.facts.device ?? "–"));
  return h("section", {class: "card scroll", style: "margin-top: 22px"}, h("table", {class: "summary"},
    h("thead", null, h("tr", null, h("th", null, "run"), facts.map((f) => h("th", {class: "number"}, f.label)),
      h("th", null, "state digest"), h("th", null, "machine"))),
    h("tbody", null, runs.map(row))));
}

// A bar a run, all to one scale, and a table of the parts, the largest first.
function breakdown(runs, partsOf, format, title, hint, note) {
  const parts = runs.map(partsOf), total = (p) => Object.values(p).reduce((a, b) => a + b, 0);
  const most = Math.max(...parts.map(total));
  const sum = (name) => parts.reduce((a, p) => a + (p[name] ?? 0), 0);
  const names = [...new Set(parts.flatMap(Object.keys))].filter((n) => sum(n) > 0).sort((a, b) => sum(b) - sum(a));
  const color = (name) => name === "outside kernels" ? "var(--rest)" : `var(--part${names.indexOf(name) % 9})`;
  const bar = (run, p) => h("div", {class: "stack-row"}, h("p", null, runs.length > 1 ? runName(run) : h("span"),
    h("span", {class: "muted"}, format(total(p), true))), h("div", {class: "stack", role: "img", "aria-label": run.name},
    names.filter((n) => p[n] > 0).map((n) => {
      const piece = h("i", {color: color(n), title: n + ": " + format(p[n])});
      piece.style.width = 100 * p[n] / most + "%";
      return piece;
    })));
  const cell = (p, n) => [h("td", {class: "number together"}, format(p[n] ?? 0, true)),
    h("td", {class: "number share muted"}, formatPercent((p[n] ?? 0) / total(p), true))];
  return card(title, hint, runs.map((r, i) => bar(r, parts[i])), h("div", {class: "parts scroll" + (runs.length > 1 ? " many" : "")}, h("table", null,
    runs.length > 1 ? h("thead", null, h("tr", null, h("th"), runs.flatMap((r) => [h("th", {class: "number"}, r.name), h("th", {class: "share"})]))) : null,
    h("tbody", null, names.map((n) => h("tr", null, h("td", null, h("i", {class: "dot", color: color(n)}), n),
      parts.flatMap((p) => cell(p, n))))))), h("p", {class: "note"}, note));
}

function kernelParts(run) {
  const parts = {};
  let inside = 0;
  for (const [family, ms] of Object.entries(run.kernel_ms)) {
    parts[family] = ms / run.profiles;
    inside += parts[family];
  }
  parts["outside kernels"] = Math.max(run.profiled_ms / run.profiles - inside, 0);
  return parts;
}

function samplesPanel(view) {
  const runs = view.runs.filter((r) => r.samples.length > 0);
  const steps = [...new Set(runs.flatMap((r) => r.samples.map((t) => t.step)))].sort((a, b) => a - b);
  const texts = h("div", {class: "grid"}), shown = h("output", {style: "min-width: 6em"});
  const slider = h("input", {type: "range", min: 0, max: steps.length - 1, "aria-label": "Step of the samples", oninput: () => draw()});
  slider.value = steps.length - 1;
  const move = (by) => () => { slider.value = Number(slider.value) + by; draw(); };
  const draw = () => {
    const step = steps[slider.value];
    shown.textContent = "step " + step;
    texts.replaceChildren(...runs.filter((r) => !view.hidden.has(r)).map((run) => {
      const sample = run.samples.findLast((t) => t.step <= step) ?? run.samples[0];
      return h("section", {class: "card" + (runs.length === 1 ? " wide" : "")},
        h("p", null, view.runs.length > 1 ? [runName(run), " "] : null, h("span", {class: "muted"}, "step " + sample.step)),
        h("p", {class: "sample"}, sample.text));
    }));
  };
  draw();
  view.redraw.push(draw);
  return [h("h2", null, "Samples"), steps.length > 1 ? h("div", {class: "samples-head"},
    h("button", {class: "button", type: "button", "aria-label": "earlier", onclick: move(-1)}, "←"),
    h("button", {class: "button", type: "button", "aria-label": "later", onclick: move(1)}, "→"), slider, shown) : null, texts];
}

// Keys as rows, runs as columns; rows whose values differ are marked, but for those that always do.
const alwaysDiffers = new Set(["run.name", "run.dir", "folder", "products, measured", "state digest"]);
function compareTable(runs, keys, valueOf) {
  const row = (key) => {
    const values = runs.map((r) => valueOf(r, key) ?? "–");
    return h("tr", {class: new Set(values).size > 1 && !alwaysDiffers.has(key) ? "differs" : ""}, h("th", {scope: "row", class: "mono"}, key),
      values.map((v) => h("td", {class: "mono"}, v)));
  };
  return h("div", {class: "scroll"}, h("table", null,
    runs.length > 1 ? h("thead", null, h("tr", null, h("th"), runs.map((r) => h("th", null, runName(r))))) : null,
    h("tbody", null, keys.map(row))));
}

function configPanel(runs, defaults) {
  const all = [...new Set(runs.flatMap((r) => Object.keys(r.config)))].sort();
  if (all.length === 0) return [];
  const value = (r, k) => r.config[k];
  const differs = (k) => !alwaysDiffers.has(k) && new Set(runs.map((r) => value(r, k))).size > 1;
  const chosen = all.filter((k) => !alwaysDiffers.has(k) && runs.some((r) => value(r, k) !== defaults[k] || differs(k)));
  chosen.sort((a, b) => differs(b) - differs(a));
  const count = chosen.filter(differs).length;
  const title = runs.length === 1 ? "Chosen" : count === 0 ? "No key differs" : plural(count, "key") + (count === 1 ? " differs" : " differ");
  return [h("h2", null, "Configuration"), card(title, "what is not at its default", compareTable(runs, chosen, value),
    h("details", null, h("summary", null, "all " + plural(all.length, "key")), compareTable(runs, all, value)))];
}

function machinePanel(runs) {
  const rows = {
    device: (r) => r.facts.device, host: (r) => r.facts.host,
    "products, measured": (r) => isNumber(r.numbers.limit_flops) ? formatRate(r.numbers.limit_flops) : undefined,
    parameters: (r) => isNumber(r.numbers.parameters) ? formatCount(r.numbers.parameters) : undefined,
    arithmetic: (r) => r.facts.arithmetic, gigatrain: (r) => r.facts.version ?? r.facts.library_version,
    compiler: (r) => r.facts.compiler, "dataset digest": (r) => r.facts.dataset_digest,
    "state digest": (r) => r.digest || undefined, folder: (r) => r.folder,
  };
  const known = Object.keys(rows).filter((k) => runs.some((r) => rows[k](r)));
  return [h("h2", null, "Machine and build"), h("section", {class: "card"}, compareTable(runs, known, (r, k) => rows[k](r)))];
}

function messagesPanel(runs) {
  const rows = runs.flatMap((run) => run.messages.map((m) => ({run, ...m})));
  const lost = runs.filter((r) => r.unreadable_lines > 0);
  if (rows.length === 0 && lost.length === 0) return [];
  return [h("h2", null, "Warnings and errors"), h("section", {class: "card scroll"}, h("table", null, h("tbody", null,
    rows.map((m) => h("tr", null, h("td", null, runName(m.run)), h("td", {class: "number"}, "step " + m.step),
      h("td", {class: m.kind === "error" ? "bad" : ""}, m.kind), h("td", null, m.text))),
    runs.filter((r) => r.left_out_messages > 0).map((r) => h("tr", null, h("td", null, runName(r)),
      h("td", {colspan: 3, class: "muted"}, plural(r.left_out_messages, "more message") + " in metrics.jsonl"))),
    lost.map((r) => h("tr", null, h("td", null, runName(r)),
      h("td", {colspan: 3, class: "muted"}, plural(r.unreadable_lines, "line") + " of metrics.jsonl could not be read")))))) ];
}
