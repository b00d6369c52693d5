// Accuracy per emotion and the confusion matrix of a range of steps, and how accuracy went over time.

function emotionsSection() {
  const having = page.runs.map((_, i) => i).filter((i) => page.runs[i].answers.bins.length > 0);
  if (!having.length) return;
  let answers = page.runs[having[0]].answers;
  const bars = el('div', {class: 'card'}), confusion = el('div', {class: 'card'}), heat = el('div', {class: 'card space'});
  const text = el('output', {});
  const from = el('input', {type: 'range', min: 0, value: 0, 'aria-label': 'first step'});
  const to = el('input', {type: 'range', min: 0, 'aria-label': 'last step'});

  function counts(begin, end) {  // [label][answer], the last answer: other
    const n = answers.labels.length, matrix = answers.labels.map(() => new Array(n + 1).fill(0));
    for (const [, , flat] of answers.bins.slice(begin, end + 1))
      for (let i = 0; i < flat.length; i += 3) matrix[flat[i]][flat[i + 1]] += flat[i + 2];
    return matrix;
  }
  const rate = (row, i) => (sum(row) ? row[i] / sum(row) : null);
  const percent = (share) => (share === null ? '–' : `${(100 * share).toFixed(0)} %`);

  function drawBars(matrix) {
    const rows = answers.labels.map((label, i) => {
      const share = rate(matrix[i], i);
      return el('tr', {}, el('th', {scope: 'row'}, label), el('td', {class: 'bar'}, el('div', {class: 'track'}, el('div', {class: 'fill', style: {width: `${100 * (share || 0)}%`}}))),
        el('td', {}, percent(share)), el('td', {class: 'soft'}, String(sum(matrix[i]))));
    });
    const right = sum(matrix.map((row, i) => row[i])), all = sum(matrix.map(sum));
    const recalls = matrix.map(rate).filter((r) => r !== null);
    bars.replaceChildren(el('h3', {}, 'Accuracy per emotion'), table('bars', el('tr', {}, ['emotion', '', 'right', 'responses'].map((h) => el('th', {scope: 'col'}, h))), rows, 'accuracy per emotion'),
      el('p', {class: 'soft small'}, `All: ${percent(all ? right / all : null)} of ${all} responses; mean over emotions: ${percent(recalls.length ? sum(recalls) / recalls.length : null)}.`));
  }
  function drawConfusion(matrix) {
    const names = answers.labels.concat(['other']);
    const head = el('tr', {}, el('th', {scope: 'col'}, 'label \\ answer'), names.map((name) => el('th', {scope: 'col', class: 'col'}, name)));
    const rows = matrix.map((row, i) => el('tr', {}, el('th', {scope: 'row'}, answers.labels[i]), row.map((count, j) => {
      const share = sum(row) ? count / sum(row) : 0;
      return el('td', {class: i === j && 'hit', style: {background: `color-mix(in srgb, var(--s0) ${(70 * share).toFixed(0)}%, transparent)`},
        title: `${answers.labels[i]} answered ${names[j]}: ${percent(share)}`}, count || '·');
    })));
    confusion.replaceChildren(el('h3', {}, 'Confusion'), table('confusion', head, rows, 'confusion matrix, rows are labels'),
      el('p', {class: 'soft small'}, 'Rows: the label. Columns: the answer. Shading: share of the row. “other”: no answer, several, or a word that is no label.'));
  }
  function drawHeat() {
    const most = 48, n = answers.bins.length, columns = Math.min(n, most), cell = 15, left = 150, width = left + columns * cell + 4;
    const parts = [];
    answers.labels.forEach((label, row) => {
      parts.push(svg('text', {x: left - 8, y: row * 20 + 15, 'text-anchor': 'end'}, label));
      for (let c = 0; c < columns; ++c) {
        const begin = Math.floor(c * n / columns), end = Math.floor((c + 1) * n / columns) - 1;
        const share = rate(counts(begin, end)[row], row);
        const steps = `steps ${answers.bins[begin][0]}–${answers.bins[end][1]}`;
        parts.push(svg('rect', {x: left + c * cell, y: row * 20 + 2, width: cell, height: 17, style: {fill: share === null ? 'transparent' : `color-mix(in srgb, var(--s0) ${Math.round(8 + 92 * share)}%, var(--card))`}},
          svg('title', {}, `${label}, ${steps}: ${percent(share)}`)));
      }
    });
    const bottom = answers.labels.length * 20 + 18;
    parts.push(svg('text', {x: left, y: bottom}, `step ${answers.bins[0][0]}`), svg('text', {x: width - 4, y: bottom, 'text-anchor': 'end'}, String(answers.bins[n - 1][1])));
    heat.replaceChildren(el('h3', {}, 'Accuracy per emotion over time'), el('div', {class: 'scroll'},
      svg('svg', {class: 'plot heat', width, height: bottom + 6, viewBox: `0 0 ${width} ${bottom + 6}`, role: 'img', 'aria-label': 'accuracy per emotion over time, darker is better'}, parts)),
      el('p', {class: 'soft small'}, 'Stronger colour: more right answers (pale 0 %, full 100 %). Empty: no response with this label.'));
  }
  function draw() {
    const begin = Math.min(Number(from.value), Number(to.value)), end = Math.max(Number(from.value), Number(to.value));
    text.textContent = `steps ${answers.bins[begin][0]} to ${answers.bins[end][1]}`;
    const matrix = counts(begin, end);
    drawBars(matrix);
    drawConfusion(matrix);
  }
  function take(run) {
    answers = page.runs[run].answers;
    const last = answers.bins.length - 1;
    from.max = to.max = last;
    from.value = Math.floor(last * 0.75);  // what the policy has become
    to.value = last;
    drawHeat();
    draw();
  }
  from.addEventListener('input', draw);
  to.addEventListener('input', draw);
  const range = (name, begin, end) => el('button', {type: 'button', onclick() {
    const last = answers.bins.length - 1;
    from.value = Math.round(last * begin);
    to.value = Math.round(last * end);
    draw();
  }}, name);
  open('emotions', el('div', {class: 'controls'}, runChoice(having, take), labelled('from', from), labelled('to', to), text,
    range('first quarter', 0, 0.25), range('last quarter', 0.75, 1), range('all', 0, 1)), el('div', {class: 'two'}, bars, confusion), heat);
  take(having[0]);
}
