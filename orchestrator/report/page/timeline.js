// What every process did during a step, and how its time was spent over the run.

function timelineSection() {
  const having = page.runs.map((_, i) => i).filter((i) => page.runs[i].timeline.steps.length > 0);
  if (!having.length) return;
  let data = page.runs[having[0]].timeline, at = 0;
  const slider = el('input', {type: 'range', min: 0, 'aria-label': 'step', oninput: () => go(Number(slider.value))});
  const name = el('output', {}), figure = el('figure', {class: 'card chart', tabindex: '0', 'aria-label': 'timeline of a step: arrow keys go to the step before and after', onkeydown: onKey});
  const totals = el('div', {class: 'card space'});
  const kTones = {sample: 0, group: 0, fetch_weights: 4, score: 3, wait: 8, step: 8, train: 2, prepare: 6, forward_backward: 2, optimizer: 1, pack_weights: 5, publish: 4, checkpoint: 3, journal_sync: 7, report: 1, archive: 5};
  const tone = (phase) => colour(kTones[data.names[phase]] === undefined ? phase : kTones[data.names[phase]]);
  const nested = new Set(['step', 'train']);  // they contain the others
  const kHelp = {step: 'from one step’s end to the next', sample: 'groups are being decoded', group: 'one group, K responses', fetch_weights: 'a new policy version is fetched', score: 'one group is scored',
    train: 'the whole update', prepare: 'rows are encoded and packed', forward_backward: 'one micro-batch', optimizer: 'gradient sum over ranks, AdamW', pack_weights: 'weights copied for the workers', publish: 'weights served, step reported',
    wait: 'the learner has nothing to do', checkpoint: 'a checkpoint is written', journal_sync: 'fdatasync of the journal', report: 'metrics and pictures', archive: 'rollouts to HDF5'};

  function rows(step) {  // process -> lanes in use
    const lanes = data.processes.map(() => new Map());
    for (const [process, , lane] of step.ph) if (!lanes[process].has(lane)) lanes[process].set(lane, 0);
    for (const map of lanes) [...map.keys()].sort((a, b) => a - b).forEach((lane, i) => map.set(lane, i));
    return lanes;
  }
  function draw() {
    const step = data.steps[at], lanes = rows(step), width = Math.max(300, figure.clientWidth - 30), left = width < 560 ? 82 : 120;
    const x = (ms) => left + (width - left - 8) * ms / step.ms;
    const parts = [];
    let y = 4;
    data.processes.forEach((process, p) => {
      const tall = 18, thin = 6, extra = Math.max(0, lanes[p].size - 1), height = tall + extra * (thin + 1);
      if (!lanes[p].size) return;
      parts.push(svg('rect', {class: 'band', x: left, y, width: width - left - 8, height}), svg('text', {x: left - 8, y: y + 13, 'text-anchor': 'end'}, process));
      const mine = step.ph.filter((phase) => phase[0] === p).sort((a, b) => b[5] - a[5]);
      for (const [, n, lane, own, begin, ms] of mine) {
        const row = lanes[p].get(lane), inner = row === 0 && !nested.has(data.names[n]) && mine.some((other) => nested.has(data.names[other[1]]) && other[2] === lane);
        parts.push(svg('rect', {class: 'ph', x: x(begin), y: y + (row === 0 ? (inner ? 5 : 0) : tall + 1 + (row - 1) * (thin + 1)), width: Math.max(1, x(begin + ms) - x(begin)), height: row === 0 ? (inner ? tall - 5 : tall) : thin,
          style: {fill: tone(n)}, opacity: nested.has(data.names[n]) ? 0.4 : data.names[n] === 'wait' ? 0.35 : 1},
        svg('title', {}, `${process}: ${data.names[n]}, ${short(ms)} ms${own && own !== step.s ? ` (for step ${own})` : ''}${kHelp[data.names[n]] ? `\n${kHelp[data.names[n]]}` : ''}`)));
      }
      y += height + 6;
    });
    for (const t of ticks(0, step.ms, width / 100)) parts.push(svg('text', {class: 'soft', x: clamp(x(t), left + 10, width - 24), y: y + 12, 'text-anchor': 'middle'}, `${short(t)} ms`));
    const used = [...new Set(step.ph.map((phase) => phase[1]))];
    figure.replaceChildren(svg('svg', {class: 'lanes', width, height: y + 18, viewBox: `0 0 ${width} ${y + 18}`, role: 'img', 'aria-label': `phases of step ${step.s}`}, parts),
      el('ul', {class: 'legend'}, used.map((n) => el('li', {title: kHelp[data.names[n]]}, el('span', {class: 'swatch', style: {background: tone(n)}}), data.names[n].replaceAll('_', ' ')))));
    name.textContent = `step ${step.s}: ${duration(step.ms / 1000)}${step.left ? `, ${step.left} short phases left out` : ''}`;
  }
  function drawTotals() {
    const used = [...new Set(data.totals.map((t) => t[1]))].filter((n) => data.names[n] !== 'step');
    const find = (p, n) => data.totals.find((t) => t[0] === p && t[1] === n);
    const body = data.processes.map((process, p) => el('tr', {}, el('th', {scope: 'row'}, process), used.map((n) => {
      const total = find(p, n);
      return el('td', {class: !total && 'zero', title: total && `${total[2]} times, ${duration(total[3])}`}, total ? `${(100 * total[3] / Math.max(1e-9, data.seconds)).toFixed(1)} %` : '·');
    })));
    totals.replaceChildren(el('h3', {}, 'Time of each process over the run'), table('totals', el('tr', {}, el('th', {scope: 'col'}, 'process'), used.map((n) => el('th', {scope: 'col', title: kHelp[data.names[n]]}, data.names[n].replaceAll('_', ' ')))), body, 'share of the run’s time'),
      el('p', {class: 'soft small'}, `Share of ${duration(data.seconds)} from the first phase to the last. “train” contains prepare, forward backward, optimizer and pack weights. All phases of all ${data.traced} steps: prosodia report RUN --chrome_trace trace.json, for Perfetto.`));
  }
  function go(index) {
    at = clamp(index, 0, data.steps.length - 1);
    slider.value = at;
    draw();
  }
  function onKey(event) {
    const to = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: data.steps.length - 1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  }
  function take(run) {
    data = page.runs[run].timeline;
    slider.max = data.steps.length - 1;
    drawTotals();
    go(Math.floor(data.steps.length / 2));
  }
  open('timeline', el('div', {class: 'controls'}, runChoice(having, take), el('button', {type: 'button', 'aria-label': 'step before', onclick: () => go(at - 1)}, '‹'), labelled('step', slider),
    el('button', {type: 'button', 'aria-label': 'next step', onclick: () => go(at + 1)}, '›'), name), figure, totals);
  take(having[0]);
  let width = 0;
  new ResizeObserver(() => { if (Math.abs(figure.clientWidth - width) > 4) { width = figure.clientWidth; draw(); } }).observe(figure);
}
