// Runs at the end of a page under test: uses it as a person with a keyboard would and leaves what it found in the title.
function useThePage() {
  const check = (condition, what) => { if (!condition) faults.push(what); };
  const key = (node, name) => { node.focus(); node.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true})); };
  const many = page.runs.length > 1;
  check(document.documentElement.hasAttribute('data-ready'), 'the page was not drawn to its end');
  for (const id of ['curves', 'emotions', 'rollouts', 'timeline', 'config', 'notes']) check(!document.getElementById(id).hidden, `${id} is hidden`);
  check(document.querySelectorAll('#curves figure:not([hidden]) path.smooth').length >= 4, 'curves are missing');
  check(!document.querySelector('main img, main iframe, [onerror]'), 'a hostile text became markup');
  check(document.title.includes('</' + 'title> & "one"'), `the title is ${document.title}`);
  check(document.documentElement.scrollWidth <= innerWidth, `wider than the window by ${document.documentElement.scrollWidth - innerWidth}`);
  const unlabelled = [...document.querySelectorAll('button, input, select, [tabindex]')].filter((node) => !node.getAttribute('aria-label') && !node.textContent.trim() && !node.closest('label'));
  check(!unlabelled.length, `without a label: ${unlabelled.map((node) => node.outerHTML.slice(0, 80))}`);

  // Curves: arrow keys read values, the runs' buttons switch lines off.
  const figure = document.querySelector('#curves figure');
  key(figure, 'End');
  check(!figure.querySelector('.readout').hidden && figure.querySelector('.readout').textContent.includes(`step ${page.runs[0].last}`), 'no read-out at the last step');
  key(figure, 'Escape');
  check(figure.querySelector('.readout').hidden, 'Escape does not close the read-out');
  if (many) {
    const lines = () => figure.querySelectorAll('path.smooth').length, before = lines();
    document.querySelector('#curves .chips button').click();
    check(lines() < before, 'a run cannot be switched off');
    document.querySelector('#curves .chips button').click();
  }
  // Rollouts: the list, its filters and the text of a response.
  const list = document.querySelector('[role=listbox]');
  const chosen = () => document.getElementById(list.getAttribute('aria-activedescendant'));
  key(list, 'Home');
  const first = chosen().id;
  key(list, 'ArrowDown');
  check(chosen().id !== first && chosen().getAttribute('aria-selected') === 'true', 'ArrowDown does not choose the next group');
  check(document.querySelectorAll('.group article').length === 4, 'not all responses of the group are shown');
  check(document.querySelector('.group .said').textContent.includes('</' + 'script><' + 'script>'), 'the hostile text is not shown as it is');
  check(document.querySelectorAll('.group mark.t').length && document.querySelectorAll('.group mark.f').length, 'claims are not marked');
  check([...document.querySelectorAll('.group .said mark')].every((mark) => mark.textContent === 'high'), 'a claim is marked at the wrong place');
  const text = document.querySelector('#rollouts input[type=search]');
  text.value = 'no such text anywhere';
  text.dispatchEvent(new Event('input'));
  check(!document.querySelector('#rollouts [role=option]'), 'the text filter does not filter');
  text.value = '';
  text.dispatchEvent(new Event('input'));
  // Timeline and configuration.
  const lanes = document.querySelector('#timeline figure'), step = () => document.querySelector('#timeline output').textContent, was = step();
  key(lanes, 'ArrowRight');
  check(step() !== was, 'the timeline does not go to the next step');
  check(document.querySelectorAll('#config tr.differs').length === (many ? 1 : 0), 'the differing options are not marked');
  // Colours.
  const theme = document.querySelector('header nav button'), backgrounds = new Set();
  for (let i = 0; i < 3; ++i) {
    theme.click();
    backgrounds.add(getComputedStyle(document.body).backgroundColor);
  }
  check(backgrounds.size === 2, `the colours' button gives ${backgrounds.size} backgrounds`);
}
try {
  useThePage();
} catch (error) {
  faults.push(String(error));
}
document.title = faults.length ? `FAULTS ${faults.join(' | ')}` : 'PASSED';
