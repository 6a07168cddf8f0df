// Samples over time, configuration, machine, messages.

function samplesPanel(view) {
  const runs = view.runs.filter((r) => r.samples.length > 0);
  const steps =
      [...new Set(runs.flatMap((r) => r.samples.map((t) => t.step)))].sort((a, b) => a - b);
  const texts = h('div', {class: 'grid'}), shown = h('output', {style: 'min-width: 6em'});
  const slider = h('input', {
    type: 'range',
    min: 0,
    max: steps.length - 1,
    'aria-label': 'Step of the samples',
    oninput: () => draw()
  });
  slider.value = steps.length - 1;
  const move = (by) => () => {
    slider.value = Number(slider.value) + by;
    draw();
  };
  const draw = () => {
    const step = steps[slider.value];
    shown.textContent = 'step ' + step;
    texts.replaceChildren(...runs.filter((r) => !view.hidden.has(r)).map((run) => {
      const sample = run.samples.findLast((t) => t.step <= step) ?? run.samples[0];
      return h(
          'section', {class: 'card' + (runs.length === 1 ? ' wide' : '')},
          h('p', null, view.runs.length > 1 ? [runName(run), ' '] : null,
            h('span', {class: 'muted'}, 'step ' + sample.step)),
          h('p', {class: 'sample'}, sample.text));
    }));
  };
  draw();
  view.redraw.push(draw);
  return [
    h('h2', null, 'Samples'),
    steps.length > 1 ?
        h('div', {class: 'samples-head'},
          h('button', {class: 'button', type: 'button', 'aria-label': 'earlier', onclick: move(-1)},
            '←'),
          h('button', {class: 'button', type: 'button', 'aria-label': 'later', onclick: move(1)},
            '→'),
          slider, shown) :
        null,
    texts
  ];
}

// Keys as rows, runs as columns; rows whose values differ are marked, but for those that always do.
const alwaysDiffers =
    new Set(['run.name', 'run.dir', 'folder', 'products, measured', 'state digest']);
function compareTable(runs, keys, valueOf) {
  const row = (key) => {
    const values = runs.map((r) => valueOf(r, key) ?? '–');
    return h(
        'tr', {class: new Set(values).size > 1 && !alwaysDiffers.has(key) ? 'differs' : ''},
        h('th', {scope: 'row', class: 'mono'}, key),
        values.map((v) => h('td', {class: 'mono'}, v)));
  };
  return h(
      'div', {class: 'scroll'},
      h('table', null,
        runs.length > 1 ?
            h('thead', null, h('tr', null, h('th'), runs.map((r) => h('th', null, runName(r))))) :
            null,
        h('tbody', null, keys.map(row))));
}

function configPanel(runs, defaults) {
  const all = [...new Set(runs.flatMap((r) => Object.keys(r.config)))].sort();
  if (all.length === 0) return [];
  const value = (r, k) => r.config[k];
  const differs = (k) => !alwaysDiffers.has(k) && new Set(runs.map((r) => value(r, k))).size > 1;
  const chosen = all.filter(
      (k) => !alwaysDiffers.has(k) && runs.some((r) => value(r, k) !== defaults[k] || differs(k)));
  chosen.sort((a, b) => differs(b) - differs(a));
  const count = chosen.filter(differs).length;
  const title = runs.length === 1 ? 'Chosen' :
      count === 0                 ? 'No key differs' :
                                    plural(count, 'key') + (count === 1 ? ' differs' : ' differ');
  return [
    h('h2', null, 'Configuration'),
    card(
        title, 'what is not at its default', compareTable(runs, chosen, value),
        h('details', null, h('summary', null, 'all ' + plural(all.length, 'key')),
          compareTable(runs, all, value)))
  ];
}

function machinePanel(runs) {
  const rows = {
    device: (r) => r.facts.device,
    host: (r) => r.facts.host,
    'products, measured': (r) =>
        isNumber(r.numbers.limit_flops) ? formatRate(r.numbers.limit_flops) : undefined,
    parameters: (r) =>
        isNumber(r.numbers.parameters) ? formatCount(r.numbers.parameters) : undefined,
    arithmetic: (r) => r.facts.arithmetic,
    gigatrain: (r) => r.facts.version ?? r.facts.library_version,
    compiler: (r) => r.facts.compiler,
    'dataset digest': (r) => r.facts.dataset_digest,
    'state digest': (r) => r.digest || undefined,
    folder: (r) => r.folder,
  };
  const known = Object.keys(rows).filter((k) => runs.some((r) => rows[k](r)));
  return [
    h('h2', null, 'Machine and build'),
    h('section', {class: 'card'}, compareTable(runs, known, (r, k) => rows[k](r)))
  ];
}

function messagesPanel(runs) {
  const rows = runs.flatMap((run) => run.messages.map((m) => ({run, ...m})));
  const lost = runs.filter((r) => r.unreadable_lines > 0);
  if (rows.length === 0 && lost.length === 0) return [];
  return [
    h('h2', null, 'Warnings and errors'),
    h('section', {class: 'card scroll'},
      h('table', null,
        h('tbody', null,
          rows.map(
              (m) =>
                  h('tr', null, h('td', null, runName(m.run)),
                    h('td', {class: 'number'}, 'step ' + m.step),
                    h('td', {class: m.kind === 'error' ? 'bad' : ''}, m.kind),
                    h('td', null, m.text))),
          runs.filter((r) => r.left_out_messages > 0)
              .map(
                  (r) =>
                      h('tr', null, h('td', null, runName(r)),
                        h('td', {colspan: 3, class: 'muted'},
                          plural(r.left_out_messages, 'more message') + ' in metrics.jsonl'))),
          lost.map(
              (r) => h(
                  'tr', null, h('td', null, runName(r)),
                  h('td', {colspan: 3, class: 'muted'},
                    plural(r.unreadable_lines, 'line') + ' of metrics.jsonl could not be read'))))))
  ];
}
