// One chart: axes, for each run a line and the band of what was averaged away, and a crosshair that
// all charts share. A series is {run, x, y, low, high} by step, as the run's curves are.

class Chart {
  constructor(view, spec) {
    this.view = view;
    this.spec = spec;
    this.log = Boolean(spec.log);
    this.svg =
        s('svg', {role: 'img', tabindex: 0, 'aria-label': spec.title + ': ' + this.summary()});
    this.tip = h('div', {class: 'tip', hidden: ''});
    this.plot = h('div', {class: 'plot'}, this.svg, this.tip);
    const toggle = spec.positive &&
        h('button', {
                     class: 'button small',
                     type: 'button',
                     'aria-pressed': this.log,
                     onclick: () => {
                       this.log = !this.log;
                       toggle.setAttribute('aria-pressed', this.log);
                       this.draw();
                     }
                   },
          'log');
    this.element =
        h('section', {class: 'card' + (spec.wide ? ' wide' : '')},
          h('div', {class: 'head'}, h('h3', null, spec.title),
            h('span', {class: 'muted'}, spec.hint ?? ''), toggle || null),
          this.plot);
    this.plot.addEventListener('pointermove', (e) => this.point(e));
    this.plot.addEventListener('pointerdown', (e) => this.point(e));
    this.plot.addEventListener('pointerleave', () => view.hover(null));
    this.svg.addEventListener('keydown', (e) => this.key(e));
    this.svg.addEventListener('blur', () => view.hover(null));
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  summary() {
    return this.spec.series
        .map((c) => c.run.name + ' ends at ' + this.spec.format(c.y.findLast((v) => v !== null)))
        .join(', ');
  }

  prepare() {
    const {view, spec} = this;
    const usable = (v) => v !== null && (!this.log || v > 0) ? v : null;
    this.lines = spec.series.filter((c) => !view.hidden.has(c.run)).map((c) => {
      const y = c.y.map(usable), weight = spec.smooth && !c.dots ? view.smoothing : 0;
      return {
        ...c,
        x: view.horizontal(c.run, c.x),
        y,
        low: c.low?.map(usable),
        high: c.high?.map(usable),
        shown: weight > 0 ? smoothed(y, weight) : y,
        faint: weight > 0
      };
    });
  }

  range() {
    const xs = this.lines.flatMap((l) => [l.x[0], l.x.at(-1)]);
    const ys =
        this.lines.flatMap((l) => [...l.y, ...l.low ?? [], ...l.high ?? []]).filter(isNumber);
    if (ys.length === 0) return false;
    let low = ys.reduce((a, b) => Math.min(a, b)), high = ys.reduce((a, b) => Math.max(a, b));
    if (this.spec.zero && !this.log) {
      low = Math.min(low, 0);
      high = Math.max(high, 0);
    }
    if (low === high) {
      low -= Math.abs(low) / 10 || 1;
      high += Math.abs(high) / 10 || 1;
    }
    if (this.log && low <= 0) low = high / 10;
    const grown = this.log ? 1.05 : (high - low) * 0.05;
    this.y0 = this.log ? low / grown : low === 0 ? 0 : low - grown;
    this.y1 = this.log ? high * grown : high + grown;
    this.x0 = Math.min(...xs);
    this.x1 = Math.max(...xs, this.x0 + 1e-9);
    return true;
  }

  px(x) { return this.left + (x - this.x0) / (this.x1 - this.x0) * (this.right - this.left); }
  py(y) {
    const f = this.log ? Math.log(y / this.y0) / Math.log(this.y1 / this.y0) :
                         (y - this.y0) / (this.y1 - this.y0);
    return this.bottom - f * (this.bottom - 8);
  }

  draw() {
    const width = this.plot.clientWidth, height = this.plot.clientHeight;
    if (width === 0) return;
    this.prepare();
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.replaceChildren();
    this.bottom = height - 26;
    this.right = width - 14;
    this.ready = this.range();
    if (!this.ready) return;
    const rows = (this.log ? logTicks : this.spec.ticks ?? linearTicks)(this.y0, this.y1, 5);
    this.left = Math.max(...rows.map((t) => this.spec.format(t).length), 3) * 6.6 + 10;
    this.drawAxes(rows);
    for (const line of this.lines) this.drawLine(line);
    this.overlay = s('g');
    this.svg.append(this.overlay);
    this.drawHover();
  }

  drawAxes(rows) {
    for (const t of rows) {
      const y = this.py(t);
      this.svg.append(
          s('line', {class: 'gridline', x1: this.left, x2: this.right, y1: y, y2: y}),
          s('text', {x: this.left - 8, y: y + 4, 'text-anchor': 'end'}, this.spec.format(t)));
    }
    const ticks = this.view.axis === 'seconds' ? timeTicks : linearTicks;
    const beyond =
        this.x1 + (this.x1 - this.x0) * 0.004;  // a mean of the last steps ends before the last
    for (const t of ticks(
             this.x0, beyond, Math.max(2, Math.min(8, (this.right - this.left) / 70)))) {
      this.svg.append(
          s('text', {x: this.px(t), y: this.bottom + 19, 'text-anchor': 'middle'},
            this.view.formatX(t)));
    }
    this.svg.append(s(
        'line', {class: 'base', x1: this.left, x2: this.right, y1: this.bottom, y2: this.bottom}));
  }

  path(xs, ys) {
    let text = '', pen = false;
    for (let i = 0; i < xs.length; ++i) {
      if (ys[i] === null) {
        pen = false;
        continue;
      }
      text += (pen ? 'L' : 'M') + this.px(xs[i]).toFixed(1) + ' ' + this.py(ys[i]).toFixed(1);
      pen = true;
    }
    return text;
  }

  drawLine(line) {
    const color = line.run.color;
    if (line.low) {
      const at =
          line.x.map((x, i) => i).filter((i) => line.low[i] !== null && line.high[i] !== null);
      const edge = (ys, order) =>
          order.map((i) => this.px(line.x[i]).toFixed(1) + ' ' + this.py(ys[i]).toFixed(1));
      this.svg.append(s('polygon', {
        class: 'band',
        fill: color,
        points: [...edge(line.high, at), ...edge(line.low, at.toReversed())].join(' ')
      }));
    }
    if (line.faint)
      this.svg.append(s('path', {class: 'curve raw', stroke: color, d: this.path(line.x, line.y)}));
    this.svg.append(s('path', {
      class: 'curve',
      stroke: color,
      d: this.path(line.x, line.shown),
      'stroke-dasharray': line.dots ? '1 6' : line.run.dash
    }));
    if (!line.dots && line.x.length > 1) return;
    line.x.forEach((x, i) => line.y[i] !== null && this.svg.append(s('circle', {
      cx: this.px(x),
      cy: this.py(line.y[i]),
      r: 3.5,
      fill: color,
      stroke: 'var(--card)',
      'stroke-width': 1.5
    })));
  }

  point(event) {
    if (!this.ready) return;
    const at = event.clientX - this.plot.getBoundingClientRect().left;
    const x = this.x0 + (at - this.left) / (this.right - this.left) * (this.x1 - this.x0);
    this.view.hover(Math.min(Math.max(x, this.x0), this.x1), this);
  }

  key(event) {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!by || !this.ready || this.lines.length === 0) return;
    event.preventDefault();
    const xs = this.lines[0].x, from = this.view.at ?? this.x0;
    this.view.hover(xs[Math.min(Math.max(nearest(xs, from) + by, 0), xs.length - 1)], this);
  }

  drawHover() {
    const {at, active} = this.view;
    this.overlay?.replaceChildren();
    this.tip.hidden = true;
    if (at === null || !this.ready || at < this.x0 || at > this.x1) return;
    this.overlay.append(
        s('line', {class: 'cross', x1: this.px(at), x2: this.px(at), y1: 8, y2: this.bottom}));
    const rows = [];
    for (const line of this.lines) {
      const i = nearest(line.x, at), y = line.shown[i];
      if (y === null) continue;
      this.overlay.append(
          s('circle', {cx: this.px(line.x[i]), cy: this.py(y), r: 4, fill: line.run.color}));
      rows.push(h('div', null, h('i', {class: 'dot', color: line.run.color}), this.value(line, i)));
    }
    if (active !== this) return;
    this.tip.replaceChildren(h('div', {class: 'muted'}, this.view.label(at)), ...rows);
    this.tip.hidden = false;
    const left = this.px(at), wide = this.tip.offsetWidth;
    this.tip.style.left =
        Math.max(0, left + 14 + wide > this.right ? left - wide - 14 : left + 14) + 'px';
  }

  value(line, i) {
    const {format} = this.spec, y = line.y[i];
    const range = line.low && line.low[i] !== line.high[i] ?
        `${format(line.low[i])} to ${format(line.high[i])}` :
        '';
    const told = [
      this.view.runs.length > 1 && line.run.name, line.label, range,
      line.faint && `smoothed ${format(line.shown[i])}`
    ];
    return [h('b', null, format(y)), h('span', {class: 'muted'}, told.filter(Boolean).join(' · '))];
  }
}
