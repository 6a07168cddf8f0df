'use strict';
// Numbers as people read them, and elements. Text from a run folder becomes text nodes, never
// markup.

const svgSpace = document.querySelector('svg').namespaceURI;

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith('on'))
      element.addEventListener(name.slice(2), value);
    else if (name === 'color')
      element.style.setProperty('--color', value);
    else if (value !== undefined && value !== false)
      element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return element;
}
const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) =>
    fill(document.createElementNS(svgSpace, tag), attributes, children);

const isNumber = (v) => typeof v === 'number' && Number.isFinite(v);

// even: as many digits in each cell of a column; else no zeros at the end, for axes.
function formatNumber(v, even) {
  if (!isNumber(v)) return '–';
  if (v !== 0 && (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e7)) {
    return v.toExponential(2).replace(even ? 'e+' : /\.?0*e\+?/, 'e');
  }
  return even ? v.toPrecision(4) : String(Number(v.toPrecision(4)));
}

function scaled(v, units, base, even) {
  if (!isNumber(v)) return '–';
  let i = 0;
  while (Math.abs(v) >= base && i + 1 < units.length) {
    v /= base;
    ++i;
  }
  const whole = Math.abs(v) >= 1000 || (i === 0 && Number.isInteger(v));
  const digits = whole ? String(Math.round(v)) : v.toPrecision(3);
  return ((even ? digits : Number(digits)) + ' ' + units[i]).trim();
}
const formatCount = (v, even) => scaled(v, ['', 'k', 'M', 'G', 'T'], 1000, even);
const formatBytes = (v, even) => scaled(v, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024, even);
const formatRate = (v) =>
    scaled(v, ['FLOP/s', 'kFLOP/s', 'MFLOP/s', 'GFLOP/s', 'TFLOP/s', 'PFLOP/s'], 1000);
const formatPercent = (v, even) =>
    !isNumber(v) ? '–' : (even ? (100 * v).toFixed(1) : Number((100 * v).toPrecision(3))) + ' %';
const formatMs = (v) => isNumber(v) ? v.toFixed(v >= 100 ? 0 : v >= 10 ? 1 : 2) + ' ms' : '–';

function formatDuration(v) {
  if (!isNumber(v)) return '–';
  const two = (n) => String(n).padStart(2, '0');
  if (v < 10 && v !== Math.round(v)) return v.toFixed(1) + ' s';
  const t = Math.round(v), hours = Math.floor(t / 3600);
  if (t < 60) return t + ' s';
  if (hours === 0) return Math.floor(t / 60) + ':' + two(t % 60);
  return hours + ':' + two(Math.floor(t / 60) % 60) + ':' + two(t % 60);
}

const plural = (n, word) => n + ' ' + word + (n === 1 ? '' : 's');
