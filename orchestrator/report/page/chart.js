// One chart: several lines over a common axis, raw values faint behind smoothed ones, a read-out under the pointer or,
// with the arrow keys, under a cursor.

// Exponential moving average without bias at its beginning; weight 0 leaves the values as they are.
function smoothed(values, weight) {
  let average = 0, total = 0;
  return values.map((value) => {
    if (value === null) return null;
    average = weight * average + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return average / total;
  });
}

function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= rough * 0.999) || rough;
  const out = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6; ++i) out.push(i * step);
  return out;
}

// chart({title, series: [{label, metric, xs, ys, colour, dash, exact}], min, max, xText}) -> {node, draw(weight)}
// `exact` series are not smoothed: a switch must look like one. xText(x): the axis' words for a value.
function chart(spec) {
  const height = 216, left = 50, right = 12, top = 8, bottom = 24;
  const plot = svg('svg', {class: 'plot', height, role: 'img', 'aria-label': spec.title});
  const legend = el('ul', {class: 'legend'});
  const readout = el('div', {class: 'readout', hidden: true, 'aria-live': 'polite'});
  const meanings = meaningList(spec.series);
  const ask = el('button', {class: 'ask', type: 'button', 'aria-expanded': 'false', 'aria-label': `what ${spec.title} means`,
    title: spec.series.map((s) => meaning(s.metric)).filter(Boolean).join('\n'), onclick() {
      meanings.hidden = !meanings.hidden;
      ask.setAttribute('aria-expanded', String(!meanings.hidden));
    }}, '?');
  const node = el('figure', {class: 'chart card', tabindex: '0', 'aria-label': `${spec.title}: arrow keys read values`},
    el('figcaption', {}, el('b', {}, spec.title), meanings.childElementCount > 0 && ask), plot, legend, readout, meanings);
  let weight = 0, lines = [], scale = null, cursor = null;

  function draw(newWeight) {
    if (newWeight !== undefined) weight = newWeight;
    const width = Math.max(240, plot.clientWidth || node.clientWidth - 30);
    plot.setAttribute('viewBox', `0 0 ${width} ${height}`);
    lines = spec.series.filter((s) => !s.hidden && s.xs.length).map((s) => ({...s, smooth: s.exact ? s.ys : smoothed(s.ys, weight)}));
    node.hidden = lines.length === 0;
    const xs = lines.flatMap((s) => [s.xs[0], s.xs[s.xs.length - 1]]);
    const ys = lines.flatMap((s) => s.ys.concat(s.smooth)).filter((y) => y !== null);
    let [x0, x1] = [Math.min(...xs), Math.max(...xs)], y0 = Infinity, y1 = -Infinity;
    for (const y of ys) { y0 = Math.min(y0, y); y1 = Math.max(y1, y); }
    if (spec.min !== undefined) y0 = Math.min(spec.min, y0);
    if (spec.max !== undefined) y1 = Math.max(spec.max, y1);
    if (!(y1 > y0)) { y0 -= Math.abs(y0) * 0.05 + 1e-6; y1 += Math.abs(y1) * 0.05 + 1e-6; }
    if (!(x1 > x0)) { x0 -= 0.5; x1 += 0.5; }
    scale = {x: (v) => left + (width - left - right) * (v - x0) / (x1 - x0),
      y: (v) => top + (height - top - bottom) * (1 - (v - y0) / (y1 - y0)), back: (px) => x0 + (px - left) / (width - left - right) * (x1 - x0)};
    const path = (s, values) => {
      let d = '', pen = 'M';
      values.forEach((v, i) => {
        if (v === null) { pen = 'M'; return; }
        d += `${pen}${scale.x(s.xs[i]).toFixed(1)} ${scale.y(v).toFixed(1)}`;
        pen = 'L';
      });
      return s.xs.length === 1 ? d + 'h.1' : d;
    };
    const parts = [];
    for (const t of ticks(y0, y1, 4)) parts.push(svg('line', {class: 'grid-line', x1: left, x2: width - right, y1: scale.y(t), y2: scale.y(t)}),
      svg('text', {x: left - 6, y: scale.y(t) + 4, 'text-anchor': 'end'}, short(t)));
    for (const t of ticks(x0, x1, width / 80)) parts.push(svg('text', {x: clamp(scale.x(t), left + 8, width - 18), y: height - 6, 'text-anchor': 'middle'}, spec.xText(t)));
    parts.push(svg('line', {class: 'axis', x1: left, x2: width - right, y1: height - bottom, y2: height - bottom}));
    if (weight > 0) for (const s of lines) if (!s.exact) parts.push(svg('path', {class: 'raw', d: path(s, s.ys), style: {stroke: s.colour}}));
    for (const s of lines) parts.push(svg('path', {class: 'smooth', d: path(s, s.smooth), 'stroke-dasharray': s.dash, style: {stroke: s.colour}}));
    parts.push(svg('line', {class: 'cursor', y1: top, y2: height - bottom, visibility: 'hidden'}));
    plot.replaceChildren(...parts);
    drawLegend();
    if (cursor !== null) show(cursor);
  }

  function drawLegend() {
    legend.replaceChildren(...lines.map((s) => el('li', {title: meaning(s.metric)},
      svg('svg', {viewBox: '0 0 20 8', 'aria-hidden': 'true'}, svg('path', {d: 'M0 4h20', fill: 'none', 'stroke-width': 2.5, 'stroke-dasharray': s.dash, style: {stroke: s.colour}})),
      s.label, ' ', el('b', {}, short(s.smooth.findLast((v) => v !== null))))));
  }

  function nearest(xs, x) {
    let low = 0, high = xs.length - 1;
    while (high - low > 1) { const middle = (low + high) >> 1; if (xs[middle] <= x) low = middle; else high = middle; }
    return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
  }

  function show(x) {
    if (!lines.length) return;
    const longest = lines.reduce((a, b) => (b.xs.length > a.xs.length ? b : a));
    cursor = longest.xs[nearest(longest.xs, x)];
    const px = scale.x(cursor), line = plot.lastChild;
    line.setAttribute('x1', px); line.setAttribute('x2', px); line.setAttribute('visibility', 'visible');
    readout.replaceChildren(el('b', {}, spec.xText(cursor, true)), ...lines.map((s) => {
      const i = nearest(s.xs, cursor);
      const raw = weight > 0 && !s.exact ? ` (${short(s.ys[i])})` : '';
      return el('div', {}, el('span', {class: 'swatch', style: {background: s.colour}}), s.label, el('span', {class: 'v'}, short(s.smooth[i]) + raw));
    }));
    readout.hidden = false;
    const box = node.getBoundingClientRect(), ratio = plot.clientWidth / plot.viewBox.baseVal.width;
    const at = px * ratio + 14;
    readout.style.left = `${at + 16 + readout.offsetWidth < box.width ? at + 14 : Math.max(4, at - readout.offsetWidth - 14)}px`;
    readout.style.top = '34px';
  }
  function hide() {
    cursor = null;
    readout.hidden = true;
    if (plot.lastChild) plot.lastChild.setAttribute('visibility', 'hidden');
  }

  plot.addEventListener('pointermove', (event) => {
    const box = plot.getBoundingClientRect();
    show(scale.back((event.clientX - box.left) * plot.viewBox.baseVal.width / box.width));
  });
  plot.addEventListener('pointerleave', hide);
  node.addEventListener('blur', hide);
  node.addEventListener('keydown', (event) => {
    if (event.target !== node || !lines.length) return;
    const xs = lines.reduce((a, b) => (b.xs.length > a.xs.length ? b : a)).xs;
    const at = cursor === null ? xs.length : nearest(xs, cursor);
    const to = {ArrowLeft: at - 1, ArrowRight: cursor === null ? 0 : at + 1, Home: 0, End: xs.length - 1, PageUp: at - 10, PageDown: at + 10}[event.key];
    if (event.key === 'Escape') hide();
    if (to === undefined) return;
    event.preventDefault();
    show(xs[clamp(to, 0, xs.length - 1)]);
  });
  return {node, draw};
}

function meaning(metric) {
  const info = page.metrics[metric];
  return info ? `${metric}: ${info[1]} [${info[0]}]` : '';
}
function meaningList(series) {
  const seen = new Set(), list = el('dl', {class: 'meaning', hidden: true});
  for (const s of series) {
    const info = page.metrics[s.metric];
    if (!info || seen.has(s.metric)) continue;
    seen.add(s.metric);
    list.append(el('dt', {}, s.metric), el('dd', {}, `${info[1]}. Unit: ${info[0]}; from: ${info[2]}.`));
  }
  return list;
}
