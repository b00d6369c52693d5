// One group: the prompt and its clip, and every response with its rewards by part, its advantage and its claims.

function weightsOf(run) {
  const value = (name, fallback) => {
    const found = run.config.find((entry) => entry[0] === name);
    return found && Number.isFinite(Number(found[1])) ? Number(found[1]) : fallback;
  };
  return {format: value('format_weight', 0.3), accuracy: value('accuracy_weight', 1), reasoning: value('reasoning_weight', 0.5), trust: (run.config.find((e) => e[0] === 'trust') || [])[1] !== 'false'};
}

const kParts = [['format', 2], ['accuracy', 0], ['reasoning', 3]];
// What each component adds to R: 0.3 R_f + R_o + gate · 0.5 · tau · R_t, with the run's weights.
function parts(response, group, weights) {
  return [weights.format * response.f, weights.accuracy * response.o,
    response.rt === undefined ? 0 : weights.reasoning * group.gate * (weights.trust ? group.tau : 1) * response.rt];
}

const kTruth = ['t', 'f', 'u'], kTruthWords = ['true', 'false', 'not measured'];
function markedText(response, group) {
  const out = [];
  let at = 0;
  for (const [begin, end, truth, attribute, level, negated] of response.c || []) {
    if (begin < at) continue;
    const measured = group.lv[attribute], claim = `${attribute} ${negated ? 'not ' : ''}${level}`;
    out.push(response.t.slice(at, begin), el('mark', {class: kTruth[truth], tabindex: '0',
      title: `claim: ${claim}; measured: ${measured || 'nothing'}: ${kTruthWords[truth]}`,
      'aria-label': `${response.t.slice(begin, end)} (claim ${claim}, ${kTruthWords[truth]})`}, response.t.slice(begin, end)));
    at = end;
  }
  out.push(response.t.slice(at));
  return el('p', {class: 'said', dir: 'auto'}, out);
}

function responseNode(response, index, group, weights, scale) {
  const values = parts(response, group, weights);
  const right = response.o >= 0.5;
  const sign = response.a > 0 ? '+' : '';
  const width = clamp(Math.abs(response.a) / scale.advantage, 0, 1) * 50;
  const details = [`${response.n} tokens${response.cut ? ', cut off' : ''}`];
  if (response.g) details.push(`criteria ${response.g.map(short).join(' · ')}`);
  if (response.st) details.push(`no reasoning score: ${response.st}`);
  if (response.ct && response.ct[1]) details.push(`${response.ct[0]} of ${response.ct[1]} claims true`);
  if (response.fa !== undefined) details.push(`faithfulness ${short(response.fa)}`);
  const partWords = kParts.map(([name], i) => `${name} ${short(values[i])}`).join(', ');
  return el('article', {class: 'response', 'aria-label': `response ${index + 1}`},
    el('div', {class: 'scores'},
      el('div', {}, el('div', {class: 'head'}, el('span', {}, `${index + 1} `, el('span', {class: `badge ${right ? 'ok' : 'no'}`}, right ? '✓ right' : '✗ wrong')),
        el('span', {}, response.R === null ? 'left out of the loss' : `R ${short(response.R)}`)),
      el('div', {class: 'stack', role: 'img', 'aria-label': `reward: ${partWords}`, title: partWords},
        kParts.map(([, tone], i) => el('i', {style: {width: `${100 * values[i] / scale.reward}%`, background: colour(tone)}})))),
      el('div', {}, el('div', {class: 'head'}, el('span', {}, 'advantage'), el('span', {}, sign + short(response.a))),
        el('div', {class: 'diverging', role: 'img', 'aria-label': `advantage ${sign}${short(response.a)}`},
          el('i', {style: {width: `${width}%`, left: response.a < 0 ? `${50 - width}%` : '50%', background: response.a < 0 ? 'var(--no)' : 'var(--ok)'}})))),
    markedText(response, group), el('p', {class: 'facts'}, details.map((text) => el('span', {}, text))));
}

const kLevelsFrom = ['', 'from the row', 'from the corpus', 'measured for this page'];
function groupNode(run, group) {
  const text = (index) => (index === undefined ? '' : run.texts[index]);
  const weights = weightsOf(run);
  const fact = (name, value) => value !== '' && value !== undefined && el('span', {}, `${name} `, el('b', {}, String(value)));
  const scale = {reward: Math.max(weights.format + weights.accuracy + weights.reasoning, 1e-6),
    advantage: Math.max(1, ...group.r.map((r) => Math.abs(r.a)))};
  const levels = Object.entries(group.lv);
  const clip = run.clips[text(group.au)] && document.getElementById(run.clips[text(group.au)]);
  return el('div', {class: 'group card'},
    el('h3', {}, `Step ${group.s} · ${text(group.sol)}`),
    el('p', {}, text(group.p)),
    text(group.tr) && el('p', {class: 'soft'}, `“${text(group.tr)}”`),
    el('div', {class: 'facts'}, fact('group', group.i), fact('row', group.id), fact('policy version', group.v), fact('tau', short(group.tau)), fact('gate', short(group.gate)),
      fact('clip', text(group.au).split('/').pop())),
    levels.length > 0 && el('div', {class: 'facts'}, el('span', {}, `prosody ${kLevelsFrom[group.ls]}:`), levels.map(([name, level]) => fact(name, level))),
    clip && el('div', {class: 'clip'}, clip.content.cloneNode(true), el('p', {class: 'soft small key'}, el('b', {class: 'f'}, 'Pitch'), ' in Hz, left. ', el('b', {class: 'e'}, 'Energy'), ' in dBFS, right. Grey: the waveform.')),
    el('p', {class: 'legend small'}, kParts.map(([name, tone]) => el('span', {}, swatch(tone), ` ${name} `)), ' Claims: ',
      el('mark', {class: 't'}, 'true'), ' ', el('mark', {class: 'f'}, 'false'), ' ', el('mark', {class: 'u'}, 'not measured')),
    group.r.map((response, i) => responseNode(response, i, group, weights, scale)));
}
