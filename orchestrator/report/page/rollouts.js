// The rollout browser: groups that pass the filters in a list, the chosen one beside it. Arrow keys move in the list.

function rolloutsSection() {
  const having = page.runs.map((_, i) => i).filter((i) => page.runs[i].groups.length > 0);
  if (!having.length) return;
  const kPage = 100;
  let run = page.runs[having[0]], found = [], selected = 0;

  const number = (label) => el('input', {type: 'number', min: 1, step: 1, 'aria-label': label, oninput: filter});
  const first = number('first step'), last = number('last step');
  const emotion = el('select', {'aria-label': 'emotion', onchange: filter});
  const correct = options([['', 'all'], ['right', 'all right'], ['wrong', 'all wrong'], ['mixed', 'right and wrong'], ['false', 'with a false claim'], ['missing', 'with a missing score'], ['audio', 'with audio']], filter, 'which groups');
  const words = el('input', {type: 'search', placeholder: 'in prompt or response …', 'aria-label': 'text', oninput: filter});
  const status = el('p', {class: 'soft small', role: 'status'});
  const items = el('div', {}), detail = el('div', {'aria-live': 'off'});
  const back = el('button', {type: 'button', onclick: () => turn(-1)}, '‹ earlier'), forth = el('button', {type: 'button', onclick: () => turn(1)}, 'later ›'), where = el('span', {});
  const pager = el('div', {class: 'pager'}, back, where, forth);
  const list = el('div', {class: 'list card', role: 'listbox', tabindex: '0', 'aria-label': 'groups: arrow keys choose', onkeydown: onKey}, items, pager);

  const text = (index) => (index === undefined ? '' : run.texts[index]);
  const kinds = {
    right: (g) => g.r.every((r) => r.o >= 0.5), wrong: (g) => g.r.every((r) => r.o < 0.5),
    mixed: (g) => g.r.some((r) => r.o >= 0.5) && g.r.some((r) => r.o < 0.5), false: (g) => g.r.some((r) => (r.c || []).some((c) => c[2] === 1)),
    missing: (g) => g.r.some((r) => r.st || r.R === null), audio: (g) => run.clips[text(g.au)] !== undefined};

  function filter() {
    const low = Number(first.value) || 0, high = Number(last.value) || Infinity, wanted = words.value.trim().toLowerCase();
    found = run.groups.filter((g) => g.s >= low && g.s <= high && (!emotion.value || text(g.sol) === emotion.value) && (!correct.value || kinds[correct.value](g)) &&
      (!wanted || `${text(g.p)}\n${text(g.tr)}\n${g.id}\n${g.r.map((r) => r.t).join('\n')}`.toLowerCase().includes(wanted)));
    status.textContent = `${found.length} of ${run.groups.length} groups in this page (the run has ${run.groups_there}).`;
    select(0);
  }
  function select(index) {
    selected = clamp(index, 0, Math.max(0, found.length - 1));
    drawList();
    detail.replaceChildren(found.length ? groupNode(run, found[selected]) : el('p', {class: 'card soft'}, 'No group passes these filters.'));
  }
  function drawList() {
    const begin = Math.floor(selected / kPage) * kPage, end = Math.min(found.length, begin + kPage);
    items.replaceChildren(...found.slice(begin, end).map((group, i) => {
      const index = begin + i, right = group.r.filter((r) => r.o >= 0.5).length;
      return el('div', {role: 'option', id: `group-${index}`, 'aria-selected': String(index === selected), onclick: () => select(index),
        'aria-label': `step ${group.s}, ${text(group.sol)}, ${right} of ${group.r.length} right`},
      el('span', {}, el('b', {}, String(group.s)), ' ', text(group.sol)),
      el('span', {class: 'dots'}, group.r.slice(0, 16).map((r) => el('i', {class: r.R === null ? 'none' : r.o >= 0.5 ? 'ok' : 'no'}))),
      el('small', {}, `R ${short(sum(group.r.map((r) => r.R || 0)) / Math.max(1, group.r.length))} · ${text(group.tr) || group.id || text(group.p)}`));
    }));
    list.setAttribute('aria-activedescendant', found.length ? `group-${selected}` : '');
    pager.hidden = found.length <= kPage;
    where.textContent = `${begin + 1}–${end} of ${found.length}`;
    back.disabled = begin === 0;
    forth.disabled = end >= found.length;
    const chosen = items.querySelector('[aria-selected=true]');
    if (chosen) {  // within the list only: the page stays where it is
      const over = chosen.offsetTop - list.offsetTop;
      if (chosen.getBoundingClientRect().top < list.getBoundingClientRect().top || chosen.getBoundingClientRect().bottom > list.getBoundingClientRect().bottom - 40)
        list.scrollTop += chosen.getBoundingClientRect().top - list.getBoundingClientRect().top - (over < 0 ? 0 : list.clientHeight / 3);
    }
  }
  function turn(pages) { select((Math.floor(selected / kPage) + pages) * kPage); }
  function onKey(event) {
    if (event.target !== list) return;
    const to = {ArrowDown: selected + 1, ArrowUp: selected - 1, PageDown: selected + 10, PageUp: selected - 10, Home: 0, End: found.length - 1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    select(to);
  }
  function take(index) {
    run = page.runs[index];
    const labels = [...new Set(run.groups.map((g) => text(g.sol)))].sort();
    emotion.replaceChildren(el('option', {value: ''}, 'all'), ...labels.map((label) => el('option', {value: label}, label)));
    first.placeholder = String(run.groups[0].s);
    last.placeholder = String(run.groups[run.groups.length - 1].s);
    filter();
    select(found.length - 1);
  }
  open('rollouts', el('div', {class: 'controls'}, runChoice(having, take), labelled('steps', first), labelled('to', last), labelled('emotion', emotion), labelled('show', correct), labelled('text', words, true)),
    status, el('div', {class: 'browser'}, list, detail));
  take(having[0]);
}
