// The table of judged prompts: counted, sorted, and taken away as a file.

import { choosePrompt } from './prompt.js';
import { el, fixed, make, many } from './dom.js';
import { decide, on, SAID } from './state.js';

const ROWS_STEP = 100;
const RANK = { send: 0, abstain: 1, hold: 2 };

const rows = []; // {index, prompt, p, reason}
let order = []; // the rows as sorted
let sort = { key: 'index', descending: false };
let shown = ROWS_STEP;

export const rowCount = () => rows.length;

export function addRow(prompt, p, reason) {
  rows.push({ index: rows.length + 1, prompt, p, reason });
}

export function forgetRows() {
  rows.length = 0;
  shown = ROWS_STEP;
}

let drawing = 0;
function drawRowsSoon() {
  if (drawing === 0) drawing = requestAnimationFrame(drawRows);
}

function compare(a, b) {
  const { key, descending } = sort;
  let by = 0;
  if (key === 'p') by = a.p - b.p;
  else if (key === 'decision') by = RANK[decide(a.p, a.reason)] - RANK[decide(b.p, b.reason)];
  else if (key === 'prompt') by = a.prompt < b.prompt ? -1 : a.prompt > b.prompt ? 1 : 0;
  else by = a.index - b.index;
  return (descending ? -by : by) || a.index - b.index;
}

export function drawRows() {
  cancelAnimationFrame(drawing);
  drawing = 0;
  el('batch-result').hidden = rows.length === 0;
  if (rows.length === 0) {
    el('rows').tBodies[0].replaceChildren();
    return;
  }
  const counts = { send: 0, abstain: 0, hold: 0 };
  for (const row of rows) counts[decide(row.p, row.reason)] += 1;
  for (const [decision, count] of Object.entries(counts)) {
    el(`count-${decision}`).textContent = count.toLocaleString('en');
    el(`bar-${decision}`).style.width = `${(100 * count) / rows.length}%`;
  }
  order = [...rows].sort(compare);
  el('rows').tBodies[0].replaceChildren(...order.slice(0, shown).map((row) => {
    const decision = decide(row.p, row.reason);
    const button = make('button', { type: 'button' }, row.prompt);
    button.addEventListener('click', () => choosePrompt(row.prompt));
    return make('tr', {},
      make('td', { class: 'right number' }, String(row.index)),
      make('td', { class: 'right number' }, fixed(row.p)),
      make('td', {}, make('span', { class: decision }, SAID[decision])),
      make('td', {}, button));
  }));
  const more = order.length - shown;
  el('more').hidden = more <= 0;
  el('more').textContent = `Show ${many(Math.min(more, ROWS_STEP * 5), 'more row', 'more rows')} of ${more.toLocaleString('en')}`;
}

el('more').addEventListener('click', () => {
  shown += ROWS_STEP * 5;
  drawRows();
});
for (const button of el('rows').tHead.querySelectorAll('button')) {
  button.addEventListener('click', () => {
    const key = button.dataset.sort;
    // Probabilities and decisions are looked at from the top first.
    const descending = sort.key === key ? !sort.descending : key === 'p' || key === 'decision';
    sort = { key, descending };
    for (const other of el('rows').tHead.querySelectorAll('button')) {
      const said = other !== button ? 'none' : descending ? 'descending' : 'ascending';
      other.closest('th').setAttribute('aria-sort', said);
    }
    drawRows();
  });
}

function save(name, type, text) {
  const link = make('a', { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Prompts are written as they were: a program that reads the file gets the same text back. Rows go in the order shown.
el('save-csv').addEventListener('click', () => {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const body = order.map((row) => `${quoted(row.prompt)},${row.p},${decide(row.p, row.reason)}\r\n`);
  save('demur.csv', 'text/csv', `prompt,p_refusal,decision\r\n${body.join('')}`);
});
el('save-jsonl').addEventListener('click', () => {
  const body = order.map((row) => `${JSON.stringify({ prompt: row.prompt, p_refusal: row.p, decision: decide(row.p, row.reason) })}\n`);
  save('demur.jsonl', 'application/x-ndjson', body.join(''));
});

on('policy', drawRowsSoon);
