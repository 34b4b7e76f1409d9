// The playground's script: asks this server about one prompt while it is typed, and about a list of prompts in chunks.
// Decisions are made again here from P(refusal) whenever a threshold moves, so that moving it costs no request. Prompts
// are hostile input: they reach the page as text nodes only, and offsets are counted in code points, as the server does.
'use strict';

const WAIT_TYPING = 150; // milliseconds of rest before a prompt is sent
const WAIT_POLICY = 300; // the same for a threshold, which only the flip needs
const WAIT_SPEAKING = 700; // before a screen reader speaks, so that it does not speak at every key
const WORDS_SHOWN = 3000; // more elements than this make typing slow
const TERMS_SHOWN = 15;
const ROWS_STEP = 100;
const FILE_BYTES = 64 * 1024 * 1024;
const COLUMNS = ['prompt', 'text', 'question']; // where a table keeps its prompts, the first that is there
const RANK = { send: 0, abstain: 1, hold: 2 };
const SAID = { send: 'Send', abstain: 'Abstain', hold: 'Hold', none: 'No prompt yet' };
const MEANS = {
  send: 'An answer is likely: the probability is below the threshold.',
  abstain: 'Too close to say: the probability lies between the two thresholds.',
  hold: 'A refusal is likely: the probability has reached the threshold.',
  none: 'Type a prompt to see how likely a refusal is.',
};

const el = (id) => document.getElementById(id);

const state = {
  models: [],
  model: null,
  limits: { max_batch: 1024, max_chars: 100000, max_body: 4194304 },
  hold: 0.5,
  send: 0.5,
  answer: null, // of /v1/explain, for the prompt in the box
  answered: '', // the prompt that it is for
  rows: [], // {index, prompt, p}
  order: [], // the rows as sorted
  sort: { key: 'index', descending: false },
  shown: ROWS_STEP,
  judgedFor: null, // model and target of the rows
  running: null, // the AbortController of the batch
};

// ---- Small things

function make(name, options = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === 'class') node.className = value;
    else node.setAttribute(key, value);
  }
  node.append(...children); // strings become text nodes
  return node;
}

const fixed = (number, digits = 3) => number.toFixed(digits);
const signed = (number, digits = 3) => (number < 0 ? '−' : '+') + Math.abs(number).toFixed(digits);
const many = (count, one, more = one + 's') => `${count.toLocaleString('en')} ${count === 1 ? one : more}`;
// A lone half of a surrogate pair is no character and cannot be sent; the replacement counts as one character too.
const wellFormed = (text) => (text.toWellFormed ? text.toWellFormed() : text);
const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const decide = (p) => (p >= state.hold ? 'hold' : p < state.send ? 'send' : 'abstain');

function debounced(work, wait) {
  let timer = 0;
  const call = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}

function show(node, text) {
  node.textContent = text;
  node.hidden = text === '';
}

function countChars(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

// ---- The server

class Failure extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const WHY = {
  401: 'The server asks for an API key.',
  403: 'This API key may not do that.',
  408: 'The request took too long to arrive.',
  413: 'That is more text than the server takes at once.',
  429: 'The server has too many requests at the moment.',
  503: 'The server is starting or stopping.',
};

async function ask(path, body, signal) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, { method: body === undefined ? 'GET' : 'POST', headers, body, signal, cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Failure(0, 'The server does not answer. Is it still running?');
  }
  let said = null;
  try {
    said = await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
  }
  if (response.ok && said !== null) return said;
  const detail = said?.error;
  const message = [WHY[response.status], detail && `${detail.message}${detail.field ? ` (${detail.field})` : ''}`]
    .filter(Boolean).join(' ') || `The server answered with status ${response.status}.`;
  const wait = Number(response.headers.get('Retry-After'));
  if (response.status === 401) askForKey();
  throw new Failure(response.status, detail?.request_id ? `${message} Request ${detail.request_id}.` : message, wait > 0 ? wait : 1);
}

// The key outlives a reload of the tab, unless the browser forbids pages to keep anything.
let key = '';
try {
  key = sessionStorage.getItem('demur-key') ?? '';
} catch { /* then it is asked for again */ }

function askForKey() {
  el('key-form').hidden = false;
}

el('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  key = el('key').value.trim();
  try {
    sessionStorage.setItem('demur-key', key);
  } catch { /* as above */ }
  el('key').value = '';
  el('key-form').hidden = true;
  start();
});

// ---- Model, target, thresholds

async function start() {
  show(el('page-error'), '');
  let said;
  try {
    said = await ask('/v1/models');
  } catch (error) {
    if (error.status === 503 || error.status === 429) setTimeout(start, 1000 * error.retryAfter);
    show(el('page-error'), error.message);
    return;
  }
  Object.assign(state.limits, said.limits);
  state.models = said.models.filter((model) => model.field === 'prompt');
  if (state.models.length === 0) {
    show(el('page-error'), 'This server has no model that judges prompts.');
    return;
  }
  const select = el('model');
  select.replaceChildren(...state.models.map((model) => make('option', { value: model.name }, model.title || model.name)));
  select.value = (state.models.find((model) => model.default) ?? state.models[0]).name;
  el('model-field').hidden = state.models.length < 2;
  chooseModel();
}

function chooseModel() {
  state.model = state.models.find((model) => model.name === el('model').value);
  const before = el('target').value;
  const targets = state.model.targets ?? [];
  el('target').replaceChildren(
    make('option', { value: '' }, 'Average target'),
    ...targets.map((target) => make('option', { value: target }, target)),
  );
  el('target').value = targets.includes(before) ? before : '';
  const encoder = state.model.encoder ? ` · encoder ${state.model.encoder.base}` : '';
  el('model-line').textContent = `Model ${state.model.title} · ${many(state.model.ngrams, 'n-gram')}${encoder} · digest ${state.model.digest.slice(0, 12)}`;
  showLimits();
  resetPolicy();
  judge();
}

// What the model is worth on sources that its fit has not seen, under every answer of it.
function showLimits() {
  const more = make('a', { href: '/v1/models' }, 'Figures of each source');
  const known = state.model.left_out;
  const said = known ? `${known.limits} ` : 'How it does on sources that its fit has not seen was not measured. ';
  el('limits').replaceChildren(said, more);
}

function resetPolicy() {
  const policy = state.model?.policy ?? { send_below: 0.5, hold_from: 0.5 };
  state.hold = policy.hold_from;
  state.send = policy.send_below;
  el('band').checked = state.send < state.hold;
  policyMoved();
}

// Both sliders show numbers to two places; the thresholds keep the model's own digits until they are moved.
function policyMoved() {
  for (const id of ['hold-from', 'hold-from-many']) el(id).value = state.hold;
  el('hold-value').textContent = el('hold-value-many').textContent = fixed(state.hold, 2);
  el('send-below').value = state.send;
  el('send-value').textContent = fixed(state.send, 2);
  el('send-slider').hidden = !el('band').checked;
  el('zone-send').style.width = `${100 * state.send}%`;
  el('zone-abstain').style.width = `${100 * (state.hold - state.send)}%`;
  el('zone-hold').style.width = `${100 * (1 - state.hold)}%`;
  drawDecision();
  drawRowsSoon();
}

function holdMoved(event) {
  state.hold = Number(event.target.value);
  state.send = el('band').checked ? Math.min(state.send, state.hold) : state.hold;
  policyMoved();
  judgePolicy();
}

for (const id of ['hold-from', 'hold-from-many']) el(id).addEventListener('input', holdMoved);
el('send-below').addEventListener('input', (event) => {
  state.send = Number(event.target.value);
  state.hold = Math.max(state.send, state.hold);
  policyMoved();
  judgePolicy();
});
el('band').addEventListener('change', () => {
  state.send = el('band').checked ? Math.max(0, Math.round(100 * (state.hold - 0.2)) / 100) : state.hold;
  policyMoved();
  judgePolicy();
});
el('policy-reset').addEventListener('click', () => {
  resetPolicy();
  judgePolicy();
});
el('model').addEventListener('change', () => {
  chooseModel();
  sayIfOutdated();
});
el('target').addEventListener('change', () => {
  judge();
  sayIfOutdated();
});

// ---- One prompt

let asking = null; // the AbortController of the newest question: an older answer is never shown
let retry = 0;

async function judge() {
  judgeSoon.cancel();
  judgePolicy.cancel();
  clearTimeout(retry);
  asking?.abort();
  const mine = (asking = new AbortController());
  const prompt = wellFormed(el('prompt').value);
  const length = countChars(prompt);
  el('prompt-count').textContent = length ? many(length, 'character') : '';
  el('examples').hidden = length > 0;
  show(el('prompt-error'), '');
  if (prompt.trim() === '') return forget();
  if (length > state.limits.max_chars) {
    forget();
    show(el('prompt-error'), `The prompt has ${many(length, 'character')}; this server takes ${state.limits.max_chars.toLocaleString('en')}.`);
    return;
  }
  if (!state.model) return;
  const question = { prompt, model: state.model.name, policy: { send_below: state.send, hold_from: state.hold }, top: TERMS_SHOWN };
  if (el('target').value) question.target = el('target').value;
  el('answer').classList.add('stale');
  try {
    const answer = await ask('/v1/explain', JSON.stringify(question), mine.signal);
    if (mine !== asking) return;
    state.answer = answer;
    state.answered = prompt;
    drawDecision();
    drawExplanation();
    speakSoon();
  } catch (error) {
    if (mine !== asking || error.name === 'AbortError') return;
    forget();
    if (error.status === 401) return;
    const again = error.status === 429 || error.status === 503;
    if (again) retry = setTimeout(judge, 1000 * error.retryAfter);
    show(el('prompt-error'), again ? `${error.message} Asks again in ${many(error.retryAfter, 'second')}.` : error.message);
  }
}

function forget() {
  state.answer = null;
  state.answered = '';
  el('explained').hidden = true;
  drawDecision();
  speakSoon();
}

const judgeSoon = debounced(judge, WAIT_TYPING);
const judgePolicy = debounced(judge, WAIT_POLICY);
const speakSoon = debounced(() => {
  const said = state.answer;
  el('spoken').textContent = said
    ? `Probability of refusal ${fixed(said.p_refusal, 2)}. ${SAID[decide(said.p_refusal)]}. ${flipInWords(said)}`
    : '';
}, WAIT_SPEAKING);

el('prompt').addEventListener('input', judgeSoon);
for (const button of el('examples').querySelectorAll('button')) {
  button.addEventListener('click', () => choosePrompt(button.textContent));
}

function choosePrompt(prompt) {
  el('prompt').value = prompt;
  el('prompt').focus();
  el('prompt').scrollIntoView({ block: 'center' });
  judge();
}

// What an encoder adds to the n-grams, of models that have one.
function tiersInWords(answer) {
  const encoder = answer?.encoder;
  if (!encoder) return '';
  const who = answer.tier === 'encoder'
    ? `The encoder was asked; the n-grams alone say ${fixed(encoder.ngram_p_refusal)}.`
    : 'The n-grams were certain enough to answer alone.';
  const side = encoder.deviations < 0 ? 'answered' : 'refused';
  const place = `It lies ${fixed(Math.abs(encoder.deviations), 1)} standard deviations towards ${side} prompts.`;
  const near = encoder.nearest[0];
  const known = near ? ` Nearest known: “${near.text}” (${near.p_refusal < 0.5 ? 'answered' : 'refused'}).` : '';
  return `${who} ${place}${known}`;
}

function drawDecision() {
  const p = state.answer?.p_refusal;
  const decision = state.answer ? decide(p) : 'none';
  el('answer').dataset.decision = decision;
  el('answer').classList.remove('stale');
  el('probability').textContent = state.answer ? fixed(p) : '–';
  el('decision').textContent = SAID[decision];
  el('meaning').textContent = MEANS[decision];
  show(el('tiers'), tiersInWords(state.answer));
  el('marker').hidden = !state.answer;
  if (state.answer) el('marker').style.left = `${100 * p}%`;
}

function drawExplanation() {
  drawWords();
  drawFlip();
  drawShares();
  drawTerms();
  el('explained').hidden = false;
}

function direction(number) {
  return number > 0 ? 'towards refusal' : number < 0 ? 'towards an answer' : 'no effect';
}

function drawWords() {
  const characters = Array.from(state.answered);
  const words = state.answer.words.slice(0, WORDS_SHOWN);
  // Words that only join others stay plain: their shares are accidents of the rows that were fitted.
  const strongest = words.reduce((most, word) => (word.function_word ? most : Math.max(most, Math.abs(word.contribution))), 0);
  const nodes = [];
  let at = 0;
  words.forEach((word, index) => {
    if (word.start > at) nodes.push(characters.slice(at, word.start).join(''));
    const text = characters.slice(word.start, word.end).join('');
    // Four steps, relative to the strongest word; what is below a twentieth of it stays plain.
    const share = strongest > 0 && !word.function_word ? Math.abs(word.contribution) / strongest : 0;
    const level = share < 0.05 ? 0 : Math.min(4, 1 + Math.floor(share * 4));
    const kind = level === 0 ? '' : ` ${word.contribution > 0 ? 'refusal' : 'comply'}-${level}`;
    const number = signed(word.contribution);
    nodes.push(make('span', {
      class: `word${kind}`,
      role: 'option',
      tabindex: index === 0 ? '0' : '-1',
      'aria-selected': 'false',
      'aria-label': `${text}: ${number}, ${direction(word.contribution)}`,
      'data-contribution': word.contribution,
    }, text));
    at = word.end;
  });
  if (state.answer.words.length > words.length) nodes.push(' …');
  else nodes.push(characters.slice(at).join(''));
  hideTip();
  el('words').replaceChildren(...nodes);
  el('legend-scale').textContent = strongest > 0
    ? `The strongest here is ${fixed(strongest, 2)}.`
    : 'The model knows no n-gram of this prompt: what you see is its starting guess.';
}

// One floating label for the words: it stays within the box of the words' section, so it never widens the page.
function showTip(word) {
  const number = Number(word.dataset.contribution);
  const tip = el('tip');
  tip.textContent = `${signed(number)} ${direction(number)}`;
  tip.hidden = false;
  const at = word.getClientRects()[0];
  const most = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${window.scrollX + Math.max(8, Math.min(at.left, most))}px`;
  tip.style.top = `${window.scrollY + at.top - tip.offsetHeight - 4}px`;
}

function hideTip() {
  el('tip').hidden = true;
}

el('words').addEventListener('pointerover', (event) => {
  const word = event.target.closest('.word');
  if (word) showTip(word);
});
el('words').addEventListener('pointerleave', hideTip);
el('words').addEventListener('focusin', (event) => {
  const word = event.target.closest('.word');
  if (!word) return;
  for (const other of el('words').querySelectorAll('[tabindex="0"], [aria-selected="true"]')) {
    other.tabIndex = -1;
    other.setAttribute('aria-selected', 'false');
  }
  word.tabIndex = 0;
  word.setAttribute('aria-selected', 'true');
  showTip(word);
});
el('words').addEventListener('focusout', (event) => {
  event.target.closest('.word')?.setAttribute('aria-selected', 'false');
  hideTip();
});
el('words').addEventListener('scroll', hideTip);
el('words').addEventListener('keydown', (event) => {
  const word = event.target.closest('.word');
  if (event.key === 'Escape') hideTip();
  if (!word) return;
  const next = {
    ArrowRight: word.nextElementSibling,
    ArrowDown: word.nextElementSibling,
    ArrowLeft: word.previousElementSibling,
    ArrowUp: word.previousElementSibling,
    Home: el('words').firstElementChild,
    End: el('words').lastElementChild,
  }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  next?.focus();
});

function flipInWords(answer) {
  if (!answer.flip) return '';
  const words = answer.flip.removed.map((word) => word.text).join(', ');
  return `Without ${words} it would be ${fixed(answer.flip.p_refusal, 2)}: ${SAID[answer.flip.decision]}.`;
}

function drawFlip() {
  const { flip, unexplained, p_refusal: p } = state.answer;
  if (!flip) {
    const why = unexplained.charAt(0).toUpperCase() + unexplained.slice(1);
    el('flip').replaceChildren(make('p', {}, `${why}.`), ...fragmentInWords());
    return;
  }
  const words = flip.removed.flatMap((word, index) => [
    ...(index === 0 ? [] : [index === flip.removed.length - 1 ? ' and ' : ', ']),
    make('span', { class: 'struck' }, `“${word.text}”`),
  ]);
  const said = make('p', {}, 'Without ', ...words, ', the probability goes from ',
    make('span', { class: 'number' }, fixed(p)), ' to ', make('span', { class: 'number' }, fixed(flip.p_refusal)),
    `, and the decision becomes “${SAID[flip.decision]}”.`);
  const characters = Array.from(state.answered);
  const quote = make('p', { class: 'quote' });
  let at = 0;
  for (const word of [...flip.removed].sort((a, b) => a.start - b.start)) {
    quote.append(characters.slice(at, word.start).join(''), make('del', {}, characters.slice(word.start, word.end).join('')));
    at = word.end;
  }
  quote.append(characters.slice(at).join(''));
  const note = make('p', { class: 'note' }, 'The fewest words found that mean something, speak for the decision and clearly change it. Words are only taken away, and each try is judged again.');
  el('flip').replaceChildren(said, quote, note, ...fragmentInWords());
}

// The fewest neighbouring words that are held by themselves.
function fragmentInWords() {
  const { fragment } = state.answer;
  if (!fragment) return [];
  return [make('p', { id: 'fragment' }, `Alone, ${many(fragment.words, 'word')} would be enough: `,
    make('strong', {}, `“${fragment.text}”`), ' has the probability ',
    make('span', { class: 'number' }, fixed(fragment.p_refusal)), '.')];
}

// The words, then what else adds up to the answer: the service says in `label` what each part is.
function drawShares() {
  const { shares } = state.answer;
  const sum = shares.reduce((all, share) => all + share.contribution, 0);
  el('shares').tBodies[0].replaceChildren(...shares.map((share) => make('tr', {},
    make('td', {}, share.kind === 'word' ? make('code', {}, share.label) : share.label),
    make('td', { class: `right number ${share.contribution > 0 ? 'adds-refusal' : 'adds-comply'}` }, signed(share.contribution)))));
  el('shares-note').textContent = `All of it makes ${signed(sum)}, the log-odds of ${fixed(1 / (1 + Math.exp(-sum)))}.`;
}

function drawTerms() {
  const { terms, terms_in_all: inAll, bias, logit } = state.answer;
  // An n-gram of characters may begin or end with a space, which would not be seen.
  const visible = (ngram) => ngram.split(/( )/).map((piece) => (piece === ' ' ? make('span', { class: 'space' }, '␣') : piece));
  el('terms').tBodies[0].replaceChildren(...terms.map((term) => make('tr', {},
    make('td', {}, term.field === 'prompt' ? make('code', {}, ...visible(term.ngram)) : `${term.field}: ${term.ngram}`),
    make('td', { class: 'right number' }, fixed(term.value)),
    make('td', { class: 'right number' }, signed(term.weight)),
    make('td', { class: `right number ${term.contribution > 0 ? 'adds-refusal' : 'adds-comply'}` }, signed(term.contribution)))));
  el('terms-note').textContent = terms.length === 0
    ? `None is known. The log-odds are the model’s bias, ${signed(bias)}.`
    : `${terms.length} of ${many(inAll, 'term')}, words and pieces of words; ␣ is a space. Bias ${signed(bias)} and all terms make ${signed(logit)}.`;
}

// ---- Many prompts: reading them

// Reads comma-separated values (RFC 4180) into rows of fields; quoted fields may hold commas, quotes and line ends.
function readCsv(text) {
  const rows = [];
  let row = [];
  let field = '';
  let quoted = false;
  let at = 0;
  const endField = () => { row.push(field); field = ''; };
  const endRow = () => { endField(); if (row.length > 1 || row[0] !== '') rows.push(row); row = []; };
  while (at < text.length) {
    const c = text[at];
    if (quoted) {
      if (c === '"' && text[at + 1] === '"') { field += '"'; at += 1; }
      else if (c === '"') quoted = false;
      else field += c;
    } else if (c === '"' && field === '') quoted = true;
    else if (c === ',') endField();
    else if (c === '\n') endRow();
    else if (c !== '\r' || text[at + 1] !== '\n') field += c;
    at += 1;
  }
  if (quoted) throw new Error('The last quoted field of the file is not closed.');
  if (field !== '' || row.length > 0) endRow();
  return rows;
}

const lines = (text) => text.split(/\r\n|\n|\r/);

function promptsOfLines(text) {
  return { prompts: lines(text).filter((line) => line.trim() !== ''), skipped: [] };
}

function promptsOfJsonl(text) {
  const prompts = [];
  const skipped = [];
  lines(text).forEach((line, index) => {
    if (line.trim() === '') return;
    let value;
    try {
      value = JSON.parse(line);
    } catch {
      skipped.push(`line ${index + 1} is not JSON`);
      return;
    }
    const name = COLUMNS.find((column) => typeof value?.[column] === 'string');
    const prompt = typeof value === 'string' ? value : name && value[name];
    if (typeof prompt === 'string' && prompt.trim() !== '') prompts.push(prompt);
    else skipped.push(`line ${index + 1} has no field ${COLUMNS.join(', ')} with a text`);
  });
  return { prompts, skipped };
}

function promptsOfCsv(text) {
  const [header, ...rows] = readCsv(text);
  if (!header) return { prompts: [], skipped: [] };
  const names = header.map((name) => name.trim().toLowerCase());
  const named = COLUMNS.map((column) => names.indexOf(column)).find((index) => index >= 0);
  const column = named ?? (names.length === 1 ? 0 : undefined);
  if (column === undefined) throw new Error(`No column of the file is called ${COLUMNS.join(', ')}. Its columns: ${header.join(', ').slice(0, 300)}.`);
  const prompts = [];
  const skipped = [];
  rows.forEach((row, index) => {
    if ((row[column] ?? '').trim() !== '') prompts.push(row[column]);
    else skipped.push(`row ${index + 1} has no prompt`);
  });
  return { prompts, skipped };
}

function promptsOfFile(name, text) {
  const plain = text.replace(/^\uFEFF/, '');
  if (/\.(jsonl|ndjson)$/i.test(name)) return promptsOfJsonl(plain);
  if (/\.csv$/i.test(name)) return promptsOfCsv(plain);
  return promptsOfLines(plain);
}

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
el('batch-stop').addEventListener('click', () => state.running?.abort());

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

// ---- Many prompts: judging them

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

async function askPatiently(path, body, signal) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await ask(path, body, signal);
    } catch (error) {
      if (!(error.status === 429 || error.status === 503) || tries === 8) throw error;
      await later(1000 * error.retryAfter);
      signal.throwIfAborted();
    }
  }
}

async function judgeMany({ prompts, skipped }, source) {
  show(el('batch-error'), '');
  state.running?.abort();
  const mine = (state.running = new AbortController());
  const asked = [];
  const left = [...skipped];
  for (const prompt of prompts.map(wellFormed)) {
    if (countChars(prompt) > state.limits.max_chars) left.push(`“${Array.from(prompt).slice(0, 40).join('')}…” is longer than ${state.limits.max_chars.toLocaleString('en')} characters`);
    else asked.push(prompt);
  }
  state.rows = [];
  state.shown = ROWS_STEP;
  state.judgedFor = { model: el('model').value, target: el('target').value };
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
      el('progress-label').textContent = `Judged ${state.rows.length.toLocaleString('en')} of ${asked.length.toLocaleString('en')}`;
      const question = { format: 'jsonl', rows: chunk.map(rowOf).join(''), model: state.judgedFor.model };
      if (state.judgedFor.target) question.target = state.judgedFor.target;
      const said = await askPatiently('/v1/score', JSON.stringify(question), mine.signal);
      if (mine !== state.running) return;
      for (const line of said.rows.split('\n')) {
        if (line === '') continue;
        const { prompt, p_refusal: p } = JSON.parse(line);
        state.rows.push({ index: state.rows.length + 1, prompt, p });
      }
      el('progress').value = state.rows.length;
      drawRows();
    }
  } catch (error) {
    if (mine !== state.running) return;
    if (error.name === 'AbortError') ended = 'Stopped. ';
    else if (error.status !== 401) show(el('batch-error'), error.message);
    if (error.status === 401) ended = 'The server asks for an API key, at the top of the page. ';
  }
  el('batch-progress').hidden = el('batch-stop').hidden = true;
  el('batch-run').disabled = false;
  const seconds = (performance.now() - began) / 1000;
  el('batch-status').textContent = `${ended}${many(state.rows.length, 'prompt')}${source ? ` of ${source}` : ''} judged in ${fixed(seconds, seconds < 10 ? 2 : 0)} s, for ${state.judgedFor.target || 'the average target'}.`;
}

// Another target gives other probabilities: the rows stay, and the page says for whom they are.
function sayIfOutdated() {
  if (state.rows.length === 0) return;
  const { model, target } = state.judgedFor;
  const name = target || 'the average target';
  const same = model === el('model').value && target === el('target').value;
  el('batch-status').textContent = same
    ? `The rows are for ${name}.`
    : `The rows are still for ${name}${model === el('model').value ? '' : ` and model ${model}`}. Judge them again to change that.`;
}

// ---- Many prompts: showing them

let drawing = 0;
function drawRowsSoon() {
  if (drawing === 0) drawing = requestAnimationFrame(drawRows);
}

function compare(a, b) {
  const { key, descending } = state.sort;
  let by = 0;
  if (key === 'p') by = a.p - b.p;
  else if (key === 'decision') by = RANK[decide(a.p)] - RANK[decide(b.p)];
  else if (key === 'prompt') by = a.prompt < b.prompt ? -1 : a.prompt > b.prompt ? 1 : 0;
  else by = a.index - b.index;
  return (descending ? -by : by) || a.index - b.index;
}

function drawRows() {
  cancelAnimationFrame(drawing);
  drawing = 0;
  el('batch-result').hidden = state.rows.length === 0;
  if (state.rows.length === 0) {
    el('rows').tBodies[0].replaceChildren();
    return;
  }
  const counts = { send: 0, abstain: 0, hold: 0 };
  for (const row of state.rows) counts[decide(row.p)] += 1;
  for (const [decision, count] of Object.entries(counts)) {
    el(`count-${decision}`).textContent = count.toLocaleString('en');
    el(`bar-${decision}`).style.width = `${(100 * count) / state.rows.length}%`;
  }
  state.order = [...state.rows].sort(compare);
  el('rows').tBodies[0].replaceChildren(...state.order.slice(0, state.shown).map((row) => {
    const decision = decide(row.p);
    const button = make('button', { type: 'button' }, row.prompt);
    button.addEventListener('click', () => choosePrompt(row.prompt));
    return make('tr', {},
      make('td', { class: 'right number' }, String(row.index)),
      make('td', { class: 'right number' }, fixed(row.p)),
      make('td', {}, make('span', { class: decision }, SAID[decision])),
      make('td', {}, button));
  }));
  const more = state.order.length - state.shown;
  el('more').hidden = more <= 0;
  el('more').textContent = `Show ${many(Math.min(more, ROWS_STEP * 5), 'more row', 'more rows')} of ${more.toLocaleString('en')}`;
}

el('more').addEventListener('click', () => {
  state.shown += ROWS_STEP * 5;
  drawRows();
});
for (const button of el('rows').tHead.querySelectorAll('button')) {
  button.addEventListener('click', () => {
    const key = button.dataset.sort;
    // Probabilities and decisions are looked at from the top first.
    const descending = state.sort.key === key ? !state.sort.descending : key === 'p' || key === 'decision';
    state.sort = { key, descending };
    for (const other of el('rows').tHead.querySelectorAll('button')) {
      const said = other !== button ? 'none' : descending ? 'descending' : 'ascending';
      other.closest('th').setAttribute('aria-sort', said);
    }
    drawRows();
  });
}

// ---- Many prompts: taking them away

function save(name, type, text) {
  const link = make('a', { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Prompts are written as they were: a program that reads the file gets the same text back. Rows go in the order shown.
el('save-csv').addEventListener('click', () => {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const body = state.order.map((row) => `${quoted(row.prompt)},${row.p},${decide(row.p)}\r\n`);
  save('demur.csv', 'text/csv', `prompt,p_refusal,decision\r\n${body.join('')}`);
});
el('save-jsonl').addEventListener('click', () => {
  const body = state.order.map((row) => `${JSON.stringify({ prompt: row.prompt, p_refusal: row.p, decision: decide(row.p) })}\n`);
  save('demur.jsonl', 'application/x-ndjson', body.join(''));
});

start();
