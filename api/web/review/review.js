// Reviews by the keyboard: shows an answer, sends the label that is pressed, goes on to the next. Paths are relative to the
// address with the token, so nothing of this page works without it.

import { el, make, many, percent, show } from './dom.js';

const NAMES = { refused: 'refused', complied: 'complied', no_answer: 'no answer' };
const FEW = 5;

// Every item that came is in one of these three.
const before = [];
let current = null;
const waiting = [];
const seen = new Set();
let figures = { reviewed: 0, left: 0 };
let busy = false;

// What came and has no review yet comes before all that is new.
async function fetchMore() {
  const came = [...before, ...(current === null ? [] : [current]), ...waiting];
  const reply = await fetch(`items?skip=${came.filter((item) => item.given === undefined).length}`);
  if (!reply.ok) throw new Error(await reply.text());
  const { items, reviewed, left } = await reply.json();
  figures = { reviewed, left };
  for (const item of items) {
    const name = [item.settings, item.prompt_number, item.sample].join(' ');
    // Answers that were collected in the meantime can shift the order.
    if (!seen.has(name)) waiting.push(item);
    seen.add(name);
  }
}

async function send(item, label) {
  const { settings, prompt_number: prompt, sample } = item;
  const reply = await fetch('review', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ settings, prompt, sample, label }),
  });
  if (!reply.ok) throw new Error(await reply.text());
}

function render() {
  el('item').hidden = current === null;
  el('done').hidden = current !== null;
  if (current === null) return;
  const { prompt, response, cut, label, p_refusal: p, kind, labelled_by: by, model, given } = current;
  el('progress').textContent = `${many(figures.reviewed, 'review')} of yours, ${figures.left.toLocaleString('en')} to go.`;
  el('about').textContent = model === null ? '' : `Answer of ${model}.`;
  el('prompt').textContent = prompt;
  el('answer').textContent = response === null ? '(no text came back)' : response + (cut ? ' … (cut here)' : '');
  const signs = ['refusal', 'finish_reason', 'error'].filter((name) => current[name] !== null);
  el('signs').replaceChildren(
    ...signs.map((name) => make('div', {}, make('dt', {}, `${name}:`), make('dd', {}, current[name]))),
  );
  const sure = p === null ? '' : `, P(refusal) ${percent(p)}`;
  const text = `Demur says ${NAMES[label]}${kind === null || kind === 'complied' ? '' : ` (${kind})`}${sure}.`;
  el('label').replaceChildren(
    make('span', { title: by }, text),
    ...(given === undefined ? [] : [` You said ${NAMES[given]}.`]),
  );
  el('back').disabled = before.length === 0;
  el('prompt').scrollTop = 0;
  el('answer').scrollTop = 0;
}

async function next() {
  if (waiting.length <= FEW) await fetchMore();
  current = waiting.shift() ?? null;
  render();
}

async function leave() {
  before.push(current);
  current = null;
  await next();
}

// One thing at a time: a key that is held must not label what nobody has seen.
async function once(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
    show(el('error'), '');
  } catch (error) {
    show(el('error'), `That did not work: ${error.message}`);
  } finally {
    busy = false;
  }
}

const judge = (label) =>
  once(async () => {
    if (current === null) return;
    await send(current, label);
    if (current.given === undefined) {
      figures.reviewed += 1;
      figures.left -= 1;
    }
    current.given = label;
    await leave();
  });

const skip = () =>
  once(async () => {
    if (current !== null) await leave();
  });

const back = () =>
  once(async () => {
    if (before.length === 0) return;
    if (current !== null) waiting.unshift(current);
    current = before.pop();
    render();
  });

const KEYS = { r: () => judge('refused'), c: () => judge('complied'), n: () => judge('no_answer'), s: skip, b: back };

document.addEventListener('keydown', (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  // A button that has the focus is pressed by Enter itself.
  if (event.key === 'Enter' && !(event.target instanceof HTMLButtonElement)) {
    event.preventDefault();
    if (current !== null) judge(current.label);
    return;
  }
  const work = KEYS[event.key.toLowerCase()];
  if (work === undefined) return;
  event.preventDefault();
  work();
});
for (const button of document.querySelectorAll('[data-label]')) {
  button.addEventListener('click', () => judge(button.dataset.label));
}
el('confirm').addEventListener('click', () => current !== null && judge(current.label));
el('skip').addEventListener('click', skip);
el('back').addEventListener('click', back);
once(next);
