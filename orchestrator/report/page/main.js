// Puts the page together.

function summary() {
  const at = (run, metric) => {
    const curve = run.curves.series[metric];
    if (!curve) return null;
    const values = curve[1].filter((v) => v !== null), n = Math.max(1, Math.round(values.length / 10));
    const mean = (list) => sum(list) / Math.max(1, list.length);
    return values.length ? [mean(values.slice(0, n)), mean(values.slice(-n)), values[values.length - 1]] : null;
  };
  return page.runs.map((run, i) => {
    const tile = (value, label, title) => el('div', {title}, el('b', {}, value), el('span', {}, label));
    const change = (metric, label) => {
      const values = at(run, metric);
      return values && tile(`${short(values[0])} → ${short(values[1])}`, label, 'mean over the first and the last tenth of the steps');
    };
    const newest = (metric, label) => { const values = at(run, metric); return values && tile(short(values[2]), label); };
    return el('div', {}, el('p', {class: 'runname'}, page.runs.length > 1 && swatch(i), run.name), el('div', {class: 'soft small'}, run.path),
      el('div', {class: 'tiles'}, tile(run.total ? `${run.last} of ${run.total}` : String(run.last), 'steps'), change('reward', 'reward'), change('rewards/accuracy/mean', 'accuracy'),
        change('rewards/format/mean', 'format'), change('rewards/faithfulness/mean', 'faithful claims'), newest('kl', 'KL at the end'), newest('num_tokens', 'tokens'), tile(duration(run.elapsed), 'elapsed')));
  });
}

function notesSection() {
  const notes = page.runs.flatMap((run) => run.notes.map((note) => (page.runs.length > 1 ? `${run.name}: ${note}` : note)));
  const ended = new Date(1000 * Math.max(...page.runs.map((run) => run.ended)));
  notes.push(`Newest step: ${ended.toISOString().replace('T', ' ').slice(0, 19)} UTC. Curves of long runs are means over neighbouring steps, at most 500 points.`);
  open('notes', el('ul', {class: 'soft'}, notes.map((note) => el('li', {}, note))));
}

function themeButton() {
  const order = ['auto', 'light', 'dark'];
  let theme = 'auto';
  try { theme = localStorage.getItem('prosodia-theme') || 'auto'; } catch { /* a browser that keeps nothing */ }
  const button = el('button', {type: 'button', onclick() { set(order[(order.indexOf(theme) + 1) % order.length]); }});
  function set(next) {
    theme = order.includes(next) ? next : 'auto';
    if (theme === 'auto') document.documentElement.removeAttribute('data-theme');
    else document.documentElement.setAttribute('data-theme', theme);
    button.textContent = {auto: '◐ auto', light: '☀ light', dark: '☾ dark'}[theme];
    button.setAttribute('aria-label', `colours: ${theme}; press to change`);
    try { localStorage.setItem('prosodia-theme', theme); } catch { /* likewise */ }
  }
  set(theme);
  return button;
}

document.getElementById('summary').append(...summary());
for (const section of [curvesSection, emotionsSection, rolloutsSection, timelineSection, configSection, notesSection]) section();
document.querySelector('header nav').append(...[...document.querySelectorAll('main section:not([hidden])')].map((section) => el('a', {href: `#${section.id}`}, section.querySelector('h2').textContent)), themeButton());
document.documentElement.setAttribute('data-ready', '');  // for tests: everything was drawn without an error
