// One prompt for two targets, side by side: both probabilities, which is higher by how much, and what makes the
// difference. The prompt is that of the tab Prompts, and so are the model and the thresholds.

import { countChars, debounced, el, fixed, make, many, show, signed, wellFormed } from './dom.js';
import { targetOptions } from './policy.js';
import { judge as judgePrompt } from './prompt.js';
import { ask } from './server.js';
import { decide, on, SAID, state, thresholds } from './state.js';
import { tabShown } from './tabs.js';

const WAIT_TYPING = 200;
const SIDES = ['a', 'b'];
const SAME = 5e-7; // log-odds: smaller differences are rounding
const FIRST = [/gpt-4/i, /claude/i]; // families that people know, for the first look

let answers = null; // the predictions of A and B
let asking = null;
let retry = 0;
let typedHere = false; // whether the tab Prompts has not judged this prompt yet

on('target', () => {
  const before = SIDES.map((side) => el(`target-${side}`).value);
  const targets = state.model.targets ?? [];
  SIDES.forEach((side, index) => {
    const known = targets.find((target) => FIRST[index].test(target)) ?? targets[index] ?? '';
    el(`target-${side}`).replaceChildren(...targetOptions());
    el(`target-${side}`).value = targets.includes(before[index]) ? before[index] : known;
  });
  if (tabShown() === 'targets') judgeTargets();
});
on('tab', (name) => {
  if (name === 'targets' && el('targets-prompt').value !== el('prompt').value) {
    el('targets-prompt').value = el('prompt').value;
    judgeTargets();
  }
  if (name === 'prompt' && typedHere) {
    typedHere = false;
    judgePrompt();
  }
});
on('policy', draw);

// The two requests for the prompt in the box.
export function targetQuestions() {
  return SIDES.map((side) => {
    const target = el(`target-${side}`).value;
    const question = { prompt: wellFormed(el('targets-prompt').value), model: state.model.name, policy: thresholds(), explain: true };
    return target ? { ...question, target } : question;
  });
}

export async function judgeTargets() {
  judgeSoon.cancel();
  clearTimeout(retry);
  asking?.abort();
  const mine = (asking = new AbortController());
  const prompt = wellFormed(el('targets-prompt').value);
  const length = countChars(prompt);
  el('targets-examples').hidden = length > 0;
  show(el('targets-error'), '');
  if (prompt.trim() === '' || !state.model) return forget();
  if (length > state.limits.max_chars) {
    forget();
    show(el('targets-error'), `The prompt has ${many(length, 'character')}; this server takes ${state.limits.max_chars.toLocaleString('en')}.`);
    return;
  }
  try {
    const said = await Promise.all(targetQuestions().map((question) => ask('/v1/predict', JSON.stringify(question), mine.signal)));
    if (mine !== asking) return;
    answers = said.map((one) => one.predictions[0]);
    draw();
  } catch (error) {
    if (mine !== asking || error.name === 'AbortError') return;
    forget();
    if (error.status === 401) return;
    if (error.isTemporary) retry = setTimeout(judgeTargets, 1000 * error.retryAfter);
    show(el('targets-error'), error.isTemporary ? `${error.message} Asks again in ${many(error.retryAfter, 'second')}.` : error.message);
  }
}

const judgeSoon = debounced(judgeTargets, WAIT_TYPING);

el('targets-prompt').addEventListener('input', () => {
  takeOver();
  judgeSoon();
});
for (const side of SIDES) el(`target-${side}`).addEventListener('change', judgeTargets);

// Puts a prompt into the box and judges it for both.
export function chooseForTargets(prompt) {
  el('targets-prompt').value = prompt;
  takeOver();
  el('targets-prompt').focus();
  judgeTargets();
}

// The tab Prompts has the same prompt.
function takeOver() {
  el('prompt').value = el('targets-prompt').value;
  typedHere = true;
}

// Shows no answers, and drops those on their way.
export function forget() {
  asking?.abort();
  asking = null;
  answers = null;
  draw();
}

function draw() {
  SIDES.forEach((side, index) => {
    const p = answers?.[index].p_refusal;
    const decision = answers ? decide(p, answers[index].reason) : 'none';
    el(`side-${side}`).dataset.decision = decision;
    el(`p-${side}`).textContent = answers ? fixed(p) : '–';
    el(`decision-${side}`).textContent = SAID[decision];
    el(`marker-${side}`).hidden = !answers;
    if (answers) el(`marker-${side}`).style.left = `${100 * p}%`;
  });
  drawDifference();
  drawParts();
}

const nameOf = (side) => el(`target-${side}`).value || 'the average target';

function drawDifference() {
  const node = el('difference');
  if (!answers) return node.replaceChildren();
  const [a, b] = answers.map((answer) => answer.p_refusal);
  const [first, second] = answers.map((answer) => decide(answer.p_refusal, answer.reason));
  const decisions = first === second
    ? `Both decisions are “${SAID[first]}”.`
    : `The decisions differ: “${SAID[first]}” for A, “${SAID[second]}” for B.`;
  if (fixed(a) === fixed(b)) return node.replaceChildren(`The model expects the same of both. ${decisions}`);
  const [more, less] = a > b ? ['a', 'b'] : ['b', 'a'];
  node.replaceChildren(make('strong', {}, `${nameOf(more)} is more likely to refuse`), ` than ${nameOf(less)}, by `,
    make('strong', { class: 'number' }, fixed(Math.abs(a - b))), `. ${decisions}`);
}

// The parts of both answers whose numbers differ, and what is the same for both in one line.
function drawParts() {
  el('pair-shares').hidden = !answers?.every((answer) => answer.shares);
  if (el('pair-shares').hidden) return;
  const name = (share) => (share.kind === 'target' ? 'What the target adds' : share.label);
  const parts = new Map();
  answers.forEach((answer, index) => {
    for (const share of answer.shares) {
      const adds = parts.get(name(share)) ?? [0, 0];
      adds[index] += share.contribution;
      parts.set(name(share), adds);
    }
  });
  const differs = [...parts].filter(([, [a, b]]) => Math.abs(a - b) > SAME);
  const same = [...parts].filter(([, [a, b]]) => Math.abs(a - b) <= SAME);
  const total = (list) => list.reduce((sum, [, adds]) => [sum[0] + adds[0], sum[1] + adds[1]], [0, 0]);
  const rows = [...differs, ...(same.length > 0 ? [['The words and all that is the same for both', total(same)]] : [])];
  const row = (cell, [label, [a, b]]) => make('tr', {},
    make(cell, cell === 'th' ? { scope: 'row' } : {}, label),
    ...[a, b, b - a].map((number) => make('td', { class: 'right number' }, Math.abs(number) <= SAME ? '0' : signed(number))));
  el('pair-rows').replaceChildren(...rows.map((one) => row('td', one)), row('th', ['Log-odds', total([...parts])]));
  el('pair-note').textContent = differs.length === 0
    ? 'Nothing: the model adds the same for both. It may add nothing for any target to a prompt that hardly any refuses.'
    : 'Shares of the log-odds. The words weigh the same for every target; the target adds a number of its own.';
}
