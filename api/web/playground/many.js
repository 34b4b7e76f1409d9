// Many prompts: taken from the box or a file, and judged in chunks.

import { countChars, el, fixed, many, show, wellFormed } from './dom.js';
import { promptsOfFile, promptsOfLines } from './files.js';
import { forgetRows, addRow, drawRows, rowCount } from './rows.js';
import { askPatiently } from './server.js';
import { on, state } from './state.js';

const FILE_BYTES = 64 * 1024 * 1024;

let running = null; // the AbortController of the batch
let judgedFor = null; // model and target of the rows

async function takeFile(file) {
  show(el('batch-error'), '');
  if (!file) return;
  if (file.size > FILE_BYTES) {
    show(el('batch-error'), `${file.name} has more than 64 MiB. The command line reads files of any size: demur predict.`);
    return;
  }
  try {
    await judgeMany(promptsOfFile(file.name, await file.text()), file.name);
  } catch (error) {
    show(el('batch-error'), error.message);
  }
}

el('batch-form').addEventListener('submit', (event) => {
  event.preventDefault();
  judgeMany(promptsOfLines(el('batch').value), '');
});
el('file').addEventListener('change', async () => {
  const [file] = el('file').files;
  await takeFile(file);
  el('file').value = ''; // so that the same file can be chosen again
});
el('batch-stop').addEventListener('click', () => running?.abort());

// A file dropped anywhere is taken: without this the browser would leave the page for the file.
const holdsFiles = (event) => event.dataTransfer?.types.includes('Files');
window.addEventListener('dragover', (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  el('drop').classList.add('over');
});
window.addEventListener('dragleave', (event) => {
  if (event.relatedTarget === null) el('drop').classList.remove('over');
});
window.addEventListener('drop', (event) => {
  el('drop').classList.remove('over');
  if (!holdsFiles(event)) return;
  event.preventDefault();
  takeFile(event.dataTransfer.files[0]);
});

const rowOf = (prompt) => `${JSON.stringify({ prompt })}\n`;

// Cuts the prompts into files that stay under the server's limit on size, and small enough for progress to be seen.
function* chunks(prompts) {
  const encoder = new TextEncoder();
  const room = state.limits.max_body - 2048; // for the rest of the body
  let chunk = [];
  let size = 0;
  for (const prompt of prompts) {
    const bytes = encoder.encode(JSON.stringify(rowOf(prompt))).length;
    if (chunk.length > 0 && (chunk.length >= state.limits.max_batch || size + bytes > room)) {
      yield chunk;
      chunk = [];
      size = 0;
    }
    chunk.push(prompt);
    size += bytes;
  }
  if (chunk.length > 0) yield chunk;
}

async function judgeMany({ prompts, skipped }, source) {
  show(el('batch-error'), '');
  running?.abort();
  const mine = (running = new AbortController());
  const asked = [];
  const left = [...skipped];
  for (const prompt of prompts.map(wellFormed)) {
    if (countChars(prompt) > state.limits.max_chars) left.push(`“${Array.from(prompt).slice(0, 40).join('')}…” is longer than ${state.limits.max_chars.toLocaleString('en')} characters`);
    else asked.push(prompt);
  }
  forgetRows();
  judgedFor = { model: el('model').value, target: el('target').value };
  drawRows();
  if (left.length > 0) {
    show(el('batch-error'), `Left out: ${left.slice(0, 3).join('; ')}${left.length > 3 ? `; and ${left.length - 3} more` : ''}.`);
  }
  if (asked.length === 0 || !state.model) {
    el('batch-status').textContent = state.model ? 'There is no prompt to judge yet.' : 'The server has not said which models it has.';
    el('batch-progress').hidden = el('batch-stop').hidden = true;
    el('batch-run').disabled = false;
    return;
  }
  el('batch-status').textContent = '';
  el('batch-progress').hidden = el('batch-stop').hidden = false;
  el('batch-run').disabled = true;
  el('progress').max = asked.length;
  el('progress').value = 0;
  const began = performance.now();
  let ended = '';
  try {
    for (const chunk of chunks(asked)) {
      el('progress-label').textContent = `Judged ${rowCount().toLocaleString('en')} of ${asked.length.toLocaleString('en')}`;
      const question = { format: 'jsonl', rows: chunk.map(rowOf).join(''), model: judgedFor.model, coverage: true };
      if (judgedFor.target) question.target = judgedFor.target;
      const said = await askPatiently('/v1/score', JSON.stringify(question), mine.signal);
      if (mine !== running) return;
      for (const line of said.rows.split('\n')) {
        if (line === '') continue;
        const { prompt, p_refusal: p, reason } = JSON.parse(line);
        addRow(prompt, p, reason);
      }
      el('progress').value = rowCount();
      drawRows();
    }
  } catch (error) {
    if (mine !== running) return;
    if (error.name === 'AbortError') ended = 'Stopped. ';
    else if (error.status !== 401) show(el('batch-error'), error.message);
    if (error.status === 401) ended = 'The server asks for an API key, at the top of the page. ';
  }
  el('batch-progress').hidden = el('batch-stop').hidden = true;
  el('batch-run').disabled = false;
  const seconds = (performance.now() - began) / 1000;
  el('batch-status').textContent = `${ended}${many(rowCount(), 'prompt')}${source ? ` of ${source}` : ''} judged in ${fixed(seconds, seconds < 10 ? 2 : 0)} s, for ${judgedFor.target || 'the average target'}.`;
}

// Another target gives other probabilities: the rows stay, and the page says for whom they are.
function sayIfOutdated() {
  if (rowCount() === 0) return;
  const { model, target } = judgedFor;
  const name = target || 'the average target';
  const same = model === el('model').value && target === el('target').value;
  el('batch-status').textContent = same
    ? `The rows are for ${name}.`
    : `The rows are still for ${name}${model === el('model').value ? '' : ` and model ${model}`}. Judge them again to change that.`;
}

on('target', sayIfOutdated);
