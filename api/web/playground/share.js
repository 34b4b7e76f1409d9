// Taking a question along: as a curl command, or as a link that holds the texts behind its #. Browsers keep that part
// to themselves, so neither making nor opening a link sends a text anywhere.

import { answerQuestion, forget as forgetAnswer, judgeAnswer, measureAnswer } from './answer.js';
import { el, many } from './dom.js';
import { forget as forgetPrompt, judge, measurePrompt, promptQuestion } from './prompt.js';
import { hasKey } from './server.js';
import { on, state } from './state.js';
import { showTab, tabShown } from './tabs.js';
import { forget as forgetTargets, judgeTargets, targetQuestions } from './targets.js';

const LONG = 8000; // characters of a link that some programs cut

// Where each tab keeps what a link holds: the name in the link, and the control.
const FIELDS = {
  prompt: { prompt: 'prompt', target: 'target', model: 'model' },
  answer: { prompt: 'asked', response: 'response', finish_reason: 'finish-reason', model: 'classifier' },
  targets: { prompt: 'targets-prompt', a: 'target-a', b: 'target-b', model: 'model' },
  models: {},
};
const FORGETS = { prompt: forgetPrompt, answer: forgetAnswer, targets: forgetTargets };
const SHOWN = { prompt: ['decision'], answer: ['outcome-name'], targets: ['decision-a', 'decision-b'] };
const JUDGES = { prompt: judge, answer: judgeAnswer, targets: judgeTargets };

// ---- As a command

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// A request as a command for a POSIX shell. A key is named by a variable, so that it is not copied along.
function command(path, question) {
  const key = hasKey() ? ' -H "authorization: Bearer $DEMUR_API_KEY"' : '';
  return `curl ${quoted(new URL(path, location.href).href)} -H 'content-type: application/json'${key} -d ${quoted(JSON.stringify(question))}`;
}

function commandOf(tab) {
  if (!state.model && tab !== 'answer') return '';
  if (tab === 'answer') {
    const question = answerQuestion();
    return question ? command('/v1/classify', question) : '';
  }
  if (el(FIELDS[tab].prompt).value.trim() === '') return '';
  if (tab === 'prompt') return command('/v1/explain', promptQuestion());
  return targetQuestions().map((question) => command('/v1/predict', question)).join('\n');
}

// ---- As a link

function linkOf(tab) {
  const held = new URLSearchParams({ tab });
  for (const [name, id] of Object.entries(FIELDS[tab])) {
    // An empty choice is one too: the average target.
    if (el(id).value !== '' || el(id).tagName === 'SELECT') held.set(name, el(id).value);
  }
  const link = new URL(location.href);
  link.hash = held.toString();
  return link.href;
}

// Fills the form from the address. The texts wait there until someone asks to judge them, and leave the address, so
// that it does not keep an older text than the form.
export function openLink() {
  if (!location.hash.includes('=')) return;
  const held = new URLSearchParams(location.hash.slice(1));
  const tab = held.get('tab') ?? '';
  if (!Object.hasOwn(FIELDS, tab)) return;
  history.replaceState(null, '', location.pathname + location.search);
  showTab(tab);
  el('main').focus({ preventScroll: true });
  window.scrollTo(0, 0);
  const fields = Object.entries(FIELDS[tab]).filter(([name]) => held.has(name));
  if (fields.length === 0) return;
  const choices = fields.filter(([, id]) => el(id).tagName === 'SELECT');
  const missing = [];
  // The model first: another one brings other targets.
  for (const [name, id] of choices.sort(([a], [b]) => (b === 'model') - (a === 'model'))) {
    const wanted = held.get(name);
    if (![...el(id).options].some((option) => option.value === wanted)) missing.push(wanted);
    else if (el(id).value !== wanted) choose(el(id), wanted);
  }
  for (const [name, id] of fields) {
    if (el(id).tagName !== 'SELECT') el(id).value = held.get(name);
  }
  if (tab === 'targets') el('prompt').value = el('targets-prompt').value;
  FORGETS[tab]();
  for (const id of SHOWN[tab]) el(id).textContent = 'Not judged yet';
  measurePrompt();
  measureAnswer();
  const text = 'This text came in a link. It has not been sent to the server yet.';
  const not = missing.length > 0 ? ` This server does not know ${missing.join(', ')}.` : '';
  el('link-note').hidden = false;
  el('link-note').querySelector('span').textContent = text + not;
}

// A choice is made before the texts are there, so that nothing is asked about them.
function choose(select, value) {
  select.value = value;
  select.dispatchEvent(new Event('change'));
}

function judgeLinked() {
  el('link-note').hidden = true;
  JUDGES[tabShown()]?.();
}

el('link-judge').addEventListener('click', judgeLinked);
window.addEventListener('hashchange', openLink);
// Once a person types, the page is as without a link.
document.addEventListener('input', (event) => {
  if (event.isTrusted) el('link-note').hidden = true;
});
on('tab', () => { el('link-note').hidden = el('by-hand').hidden = true; });

// ---- The buttons

async function take(tab, text, taken) {
  const said = el(`${tab}-took`);
  el('by-hand').hidden = true;
  if (text === '') {
    said.textContent = 'There is nothing to copy yet.';
    return;
  }
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = taken;
  } catch {
    // Without HTTPS, or without the permission, the text is shown to be copied by hand.
    said.textContent = '';
    said.parentElement.after(el('by-hand'));
    el('by-hand').hidden = false;
    el('by-hand-text').value = text;
    el('by-hand-text').focus();
    el('by-hand-text').select();
  }
}

for (const tab of Object.keys(JUDGES)) {
  el(`${tab}-curl`).addEventListener('click', () => take(tab, commandOf(tab), 'Copied, for a POSIX shell.'));
  el(`${tab}-link`).addEventListener('click', () => {
    const link = linkOf(tab);
    const long = link.length > LONG ? ` It has ${many(link.length, 'character')}; some programs cut such links.` : '';
    take(tab, link, `Copied. The text is in the link itself, and nowhere else.${long}`);
  });
}
