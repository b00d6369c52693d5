// The configuration of every run; with several, what differs.

function configSection() {
  const runs = page.runs.filter((run) => run.config.length > 0);
  if (!runs.length) return;
  const many = runs.length > 1;
  const byName = runs.map((run) => new Map(run.config.map(([name, value]) => [name, value])));
  const rows = [];
  for (const run of runs) for (const [name, , section, help] of run.config) if (!rows.some((row) => row.name === name)) rows.push({name, section, help});
  for (const row of rows) {
    row.values = byName.map((map) => map.get(row.name));
    row.differs = row.values.some((value) => value !== row.values[0]);
  }
  const differing = rows.filter((row) => row.differs).length;
  const body = el('div', {class: 'card'});
  const only = el('input', {type: 'checkbox', onchange: draw});
  only.checked = many && differing > 0;
  const find = el('input', {type: 'search', placeholder: 'an option …', 'aria-label': 'find an option', oninput: draw});
  function draw() {
    const wanted = find.value.trim().toLowerCase();
    const shown = rows.filter((row) => (!only.checked || row.differs) && (!wanted || `${row.name} ${row.help} ${row.values.join(' ')}`.toLowerCase().includes(wanted)));
    const lines = [];
    let section = null;
    for (const row of shown) {
      if (row.section !== section) {
        section = row.section;
        lines.push(el('tr', {}, el('th', {scope: 'rowgroup', colspan: runs.length + 1}, section)));
      }
      lines.push(el('tr', {class: row.differs && 'differs'}, el('th', {scope: 'row'}, row.name, el('small', {}, row.help)),
        row.values.map((value) => el('td', {}, value === undefined ? 'not an option then' : value === '' ? '–' : value))));
    }
    body.replaceChildren(shown.length ? table('config', el('tr', {}, el('th', {scope: 'col'}, 'option'), runs.map((run) => el('th', {scope: 'col'}, run.name))), lines, 'configuration')
      : el('p', {class: 'soft'}, 'No option to show.'));
  }
  open('config', many ? el('p', {class: 'soft'}, `${differing} of ${rows.length} options differ.`) : el('p', {class: 'soft'}, `${rows.length} options, as resolved in config.ini.`),
    el('div', {class: 'controls'}, many && labelled('only what differs', only), labelled('find', find, true)), many ? body : el('details', {}, el('summary', {}, 'all options'), body));
  draw();
}
