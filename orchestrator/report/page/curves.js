// The curves of all runs: panels as curve_panels.cc has them, every other metric on request.

function curvesSection() {
  const state = {weight: 0, axis: 'step', hidden: new Set(), find: ''};
  const many = page.runs.length > 1;
  const longest = Math.max(...page.runs.map((run) => run.curves.steps.length));
  state.weight = longest > 60 ? 0.85 : longest > 20 ? 0.6 : 0;

  // Wall time of a step: between the steps whose time is known.
  function hours(run, step) {
    const {steps} = run.curves, i = steps.findIndex((s) => s >= step);
    return (run.seconds[i < 0 ? run.seconds.length - 1 : i] || 0) / 60;
  }
  function seriesOf(runIndex, metric, label, look) {
    const run = page.runs[runIndex], curve = run.curves.series[metric];
    if (!curve) return null;
    const steps = curve[0] || run.curves.steps;
    return {label: many && look.runs ? (look.alone ? run.name : `${run.name}: ${label}`) : label, metric, run: runIndex, ys: curve[1], steps, xs: steps,
      minutes: steps === run.curves.steps ? run.seconds.map((s) => s / 60) : steps.map((s) => hours(run, s)),
      colour: colour(look.colour), dash: look.dash, exact: metric === 'reward/gate' || metric === 'learning_rate'};
  }
  const kDashes = [undefined, '7 4', '2 4', '10 3 2 3'];
  const xText = (x, long) => state.axis === 'step' ? (long ? `step ${short(x)}` : short(x)) : (long ? `after ${duration(x * 60)}` : duration(x * 60));
  function make(title, series, panel) {
    const entries = series.filter(Boolean);
    return entries.length ? {...chart({title, series: entries, min: panel.min, max: panel.max, xText}), entries, words: `${title} ${entries.map((s) => `${s.label} ${s.metric}`).join(' ')}`.toLowerCase()} : null;
  }

  const charts = [], shown = new Set();
  const runs = page.runs.map((_, i) => i);
  for (const panel of page.panels) {
    panel.series.forEach(([, metric]) => shown.add(metric));
    if (!panel.prefix) {
      charts.push(make(panel.title, runs.flatMap((r) => panel.series.map(([label, metric], i) =>
        seriesOf(r, metric, label, {runs: true, alone: panel.series.length === 1, colour: many ? r : i, dash: many ? kDashes[i % 4] : undefined}))), panel));
      continue;
    }
    for (const r of runs) {  // as many lines as the run has: a chart for each run
      const open = Object.keys(page.runs[r].curves.series).filter((name) => name.startsWith(panel.prefix));
      open.forEach((name) => shown.add(name));
      const names = panel.series.map(([label, metric]) => [label, metric]).concat(open.map((name) => [name.slice(panel.prefix.length), name]));
      charts.push(make(many ? `${panel.title}: ${page.runs[r].name}` : panel.title,
        names.map(([label, metric], i) => seriesOf(r, metric, label, {colour: i, dash: i >= 9 ? '4 3' : undefined})), panel));
    }
  }
  const panels = charts.filter(Boolean);
  const others = [...new Set(page.runs.flatMap((run) => Object.keys(run.curves.series)))].filter((name) => !shown.has(name)).sort();

  function apply() {
    for (const panel of panels) {
      for (const s of panel.entries) {
        s.hidden = state.hidden.has(s.run);
        s.xs = state.axis === 'step' ? s.steps : s.minutes;
      }
      panel.draw(state.weight);
      if (state.find && !panel.words.includes(state.find)) panel.node.hidden = true;
    }
  }
  const output = el('output', {}, state.weight.toFixed(2));
  const slider = el('input', {type: 'range', min: 0, max: 0.99, step: 0.01, value: state.weight, 'aria-label': 'smoothing', oninput() {
    state.weight = Number(slider.value);
    output.textContent = state.weight.toFixed(2);
    apply();
  }});
  const axis = options([['step', 'step'], ['time', 'wall time']], () => { state.axis = axis.value; apply(); }, 'x axis');
  const find = el('input', {type: 'search', placeholder: 'a metric …', 'aria-label': 'show charts with', oninput() { state.find = find.value.trim().toLowerCase(); apply(); }});
  const legend = el('div', {class: 'chips', role: 'group', 'aria-label': 'runs'}, many && runs.map((r) => el('button', {type: 'button', 'aria-pressed': 'true', onclick(event) {
    if (state.hidden.has(r)) state.hidden.delete(r); else state.hidden.add(r);
    event.currentTarget.setAttribute('aria-pressed', String(!state.hidden.has(r)));
    apply();
  }}, swatch(r), page.runs[r].name)));
  const grid = el('div', {class: 'grid'}, panels.map((panel) => panel.node));
  const more = el('details', {}, el('summary', {}, `All other metrics (${others.length})`), el('div', {class: 'grid'}));
  more.addEventListener('toggle', () => {
    if (!more.open || more.lastChild.childElementCount) return;
    for (const metric of others) {
      const panel = make(metric, runs.map((r) => seriesOf(r, metric, many ? page.runs[r].name : metric, {colour: r})), {});
      panels.push(panel);
      more.lastChild.append(panel.node);
    }
    apply();
  });
  open('curves', el('div', {class: 'controls'}, labelled('smoothing', slider), output, labelled('x axis', axis), labelled('find', find, true), legend), grid, others.length > 0 && more);
  let width = 0;
  new ResizeObserver(() => {
    if (Math.abs(grid.clientWidth - width) < 4) return;
    width = grid.clientWidth;
    apply();
  }).observe(grid);
  apply();
}
