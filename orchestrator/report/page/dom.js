'use strict';
// Helpers, and the page's data. All text reaches the screen through text nodes and setAttribute, never as markup.
//
// page.runs[i].groups[j]: s step, i group id, v policy version, id row, p/sol/au/tr indices into texts (prompt, label,
//   clip, transcript), tau, gate, lv measured levels, ls where they are from (1 row, 2 corpus, 3 signal), r responses:
//   t text, R total (null: left out of the loss), f/o/rt components, st why there is no rt, g criteria, fa faithfulness,
//   a advantage, n tokens, cut, c claims [begin, end, truth (0 true, 1 false, 2 unmeasured), attribute, level, negated],
//   ct [true, checkable]
const page = JSON.parse(document.getElementById('data').textContent);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'style') Object.entries(value).forEach(([k, v]) => node.style.setProperty(k, v));
    else node.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS('http:' + '//www.w3.org/2000/svg', tag), attributes, children);

const colour = (i) => `var(--s${i % 9})`;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const sum = (values) => values.reduce((a, b) => a + b, 0);

function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1e6) return (value / 1e6).toFixed(size >= 1e7 ? 1 : 2) + 'M';
  if (size >= 1e4) return (value / 1e3).toFixed(1) + 'k';
  if (size !== 0 && size < 1e-3) return value.toExponential(1);
  return String(Number(value.toPrecision(size >= 100 ? 4 : 3)));
}

function duration(seconds) {
  if (seconds < 90) return `${short(seconds)} s`;
  if (seconds < 5400) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

// A section's element, shown from now on.
function open(id, ...children) {
  const section = document.getElementById(id);
  section.hidden = false;
  section.append(...children);
  return section;
}

const labelled = (text, control, wide) => el('label', {class: wide && 'wide'}, text, control);
const options = (entries, onchange, label) =>
  el('select', {onchange, 'aria-label': label}, entries.map(([value, text]) => el('option', {value}, text)));
const swatch = (i) => el('span', {class: 'swatch', style: {background: colour(i)}, 'aria-hidden': 'true'});
const table = (className, head, rows, caption) =>
  el('div', {class: 'scroll'}, el('table', {class: className}, caption && el('caption', {class: 'sr'}, caption),
    el('thead', {}, head), el('tbody', {}, rows)));
// A choice of one of the runs that have something; hidden when there is only one.
function runChoice(indices, onchange) {
  const select = options(indices.map((i) => [i, page.runs[i].name]), () => onchange(Number(select.value)), 'run');
  const label = labelled('run', select);
  label.hidden = indices.length < 2;
  return label;
}
