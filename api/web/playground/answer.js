// One answer: whether it refuses, by what that was recognised, and the sentence that declines, marked in the text.

import { jsonObject, textOf } from './body.js';
import { bar, countChars, debounced, el, fixed, make, many, show, wellFormed } from './dom.js';
import { showLimits } from './policy.js';
import { mark, placeOf, sentences } from './sentences.js';
import { ask } from './server.js';
import { on, state } from './state.js';

const WAIT_TYPING = 200;
const WAIT_SPEAKING = 700;
const OUTCOMES = {
  refused: ['Refused', 'What was asked was declined, by the model or by a filter.'],
  complied: ['Complied', 'The model did what was asked, or tried to.'],
  none: ['No answer', 'There is no answer to judge. This counts as neither refused nor complied.'],
};
const FORMS = {
  text: 'the text as a whole',
  passage: 'one sentence of the text',
  empty: 'an empty text, and nothing says why it is empty',
  no_answer: 'a known reason for no answer: out of tokens, cancelled, or nothing but reasoning',
  filtered: 'the provider’s sign that a filter or the model ended the answer',
  refusal_field: 'the provider’s own field for refusals',
  provider_error: 'an error in place of the answer',
  guardrail: 'a phrase of the operator’s guardrail',
  allowed: 'nothing but phrases that the operator allows',
  tool_call: 'a call of a tool',
};
const KINDS = {
  complied: 'Does as asked',
  disclaimed: 'Does as asked, behind a disclaimer',
  contradicted: 'Refutes the premise',
  redirected: 'Answers another question, or sends elsewhere',
  counseling: 'Gives counsel instead of an answer',
  rejected: 'Says no',
  dontknow: 'Says that it does not know',
  incoherent: 'Is not a sensible text',
};

const NOTES = {
  text: 'Judged as you type.',
  body: 'Read as a provider’s response: its text, and its own finish reason.',
  unknown: 'The server knows no provider’s response of this shape, so the JSON is judged as text.',
};

let asking = null; // the AbortController of the newest question
let unknown = ''; // JSON that the server takes for no provider's response
let retry = 0;

const classifier = () => state.classifiers.find((model) => model.name === el('classifier').value);

on('models', () => {
  const select = el('classifier');
  select.replaceChildren(...state.classifiers.map((model) => make('option', { value: model.name }, model.title || model.name)));
  const first = state.classifiers.find((model) => model.default) ?? state.classifiers[0];
  if (first) select.value = first.name;
  el('classifier-field').hidden = state.classifiers.length < 2;
  chooseClassifier();
});

function chooseClassifier() {
  if (classifier()) showLimits(el('answer-limits'), classifier());
  else el('answer-limits').textContent = 'This server has no model that judges answers.';
  judgeAnswer();
}

// The request that the page makes for the answer in the form; null while there is none.
export function answerQuestion() {
  const response = wellFormed(el('response').value);
  const asked = wellFormed(el('asked').value);
  const reason = wellFormed(el('finish-reason').value).trim();
  if (response.trim() === '' && reason === '') return null;
  const question = asked.trim() === '' ? {} : { prompt: asked };
  const body = response === unknown ? null : jsonObject(response);
  if (body) question.body = body;
  else {
    question.response = response === '' ? null : response;
    if (reason !== '') question.finish_reason = reason;
  }
  question.model = el('classifier').value;
  return question;
}

// Counts the answer's characters; the examples are there while the form is empty.
export function measureAnswer() {
  const length = countChars(wellFormed(el('response').value));
  el('response-count').textContent = length ? many(length, 'character') : '';
  el('answer-examples').hidden = length > 0 || el('finish-reason').value !== '' || el('asked').value !== '';
  return length;
}

export async function judgeAnswer() {
  judgeSoon.cancel();
  clearTimeout(retry);
  asking?.abort();
  const mine = (asking = new AbortController());
  show(el('response-error'), '');
  const length = measureAnswer();
  const question = answerQuestion();
  const isUnknown = unknown !== '' && question?.response === unknown;
  el('response-note').textContent = NOTES[question?.body ? 'body' : isUnknown ? 'unknown' : 'text'];
  if (question === null || !classifier()) return forget();
  if (!question.body && length > state.limits.max_chars) {
    forget();
    show(el('response-error'), `The answer has ${many(length, 'character')}; this server takes ${state.limits.max_chars.toLocaleString('en')}.`);
    return;
  }
  el('outcome').classList.add('stale');
  try {
    const said = await ask('/v1/classify', JSON.stringify(question), mine.signal);
    if (mine !== asking) return;
    const [judged] = said.classifications;
    drawOutcome(judged);
    await drawText(question, judged, mine);
  } catch (error) {
    if (mine !== asking || error.name === 'AbortError') return;
    if (question.body && error.field === 'body') {
      unknown = wellFormed(el('response').value);
      return judgeAnswer();
    }
    forget();
    if (error.status === 401) return;
    if (error.isTemporary) retry = setTimeout(judgeAnswer, 1000 * error.retryAfter);
    show(el('response-error'), error.isTemporary ? `${error.message} Asks again in ${many(error.retryAfter, 'second')}.` : error.message);
  }
}

const judgeSoon = debounced(judgeAnswer, WAIT_TYPING);
const speakSoon = debounced((text) => { el('answer-spoken').textContent = text; }, WAIT_SPEAKING);

for (const id of ['response', 'asked', 'finish-reason']) el(id).addEventListener('input', judgeSoon);
el('classifier').addEventListener('change', chooseClassifier);

// Puts an answer into the form and judges it.
export function chooseAnswer({ prompt = '', response = '', finishReason = '' }) {
  el('asked').value = prompt;
  el('response').value = response;
  el('finish-reason').value = finishReason;
  el('response').focus();
  judgeAnswer();
}

// Shows no outcome, and drops one that is on its way.
export function forget() {
  asking?.abort();
  asking = null;
  el('outcome').dataset.outcome = 'none';
  el('outcome').classList.remove('stale');
  el('outcome-name').textContent = 'No answer yet';
  el('outcome-meaning').textContent = 'Paste an answer to see whether it refuses.';
  for (const id of ['outcome-facts', 'outcome-kinds', 'judged']) el(id).hidden = true;
  speakSoon('');
}

// A text may be a refusal while no kind of refusal stands out.
const isUnclear = ({ label, kind }) => label === 'refused' && kind === 'complied';

const kindInWords = (kind) => KINDS[kind] ?? kind.replaceAll('_', ' ');

function drawOutcome(judged) {
  const outcome = judged.label ?? 'none';
  const [name, meaning] = OUTCOMES[outcome];
  el('outcome').dataset.outcome = judged.label ?? 'unanswered';
  el('outcome').classList.remove('stale');
  el('outcome-name').textContent = name;
  el('outcome-meaning').textContent = meaning;
  el('outcome-p').textContent = judged.p_refusal === null ? 'none: there is no answer' : fixed(judged.p_refusal);
  el('outcome-form').textContent = FORMS[judged.form] ?? judged.form.replaceAll('_', ' ');
  el('outcome-kind').textContent = isUnclear(judged) ? 'unclear' : judged.kind === null ? 'none' : kindInWords(judged.kind);
  el('outcome-reasoning').textContent = judged.reasoning ? 'came with the answer; not judged' : 'none found';
  el('outcome-facts').hidden = false;
  el('outcome-kinds').hidden = !judged.kinds;
  el('kinds').replaceChildren(...(judged.kinds ?? []).map(({ kind, p }) => make('tr', {},
    make('th', { scope: 'row' }, kindInWords(kind)),
    make('td', { class: 'share' }, bar(p)),
    make('td', { class: 'right number' }, fixed(p, 2)))));
  const p = judged.p_refusal === null ? '' : ` Probability of refusal ${fixed(judged.p_refusal, 2)}.`;
  speakSoon(`${name}.${p} Recognised by ${el('outcome-form').textContent}.`);
}

// The text, with what declines marked: the service's passage, or else the sentence that declines most clearly alone.
async function drawText(question, judged, mine) {
  const text = question.body ? textOf(question.body) : question.response ?? '';
  el('judged').hidden = text === '';
  if (text === '') return;
  mark(el('judged-text'), text, question.body ? placeOf(text, judged.passage?.text) : judged.passage);
  if (judged.passage) {
    el('judged-note').textContent = 'The marked sentence decided it.';
    return;
  }
  if (judged.form === 'refusal_field') {
    el('judged-note').textContent = 'The provider’s own field for refusals says this.';
    return;
  }
  if (judged.label !== 'refused' || judged.form !== 'text') {
    el('judged-note').textContent = judged.label === 'complied' ? 'No sentence of it declines.' : '';
    return;
  }
  el('judged-note').textContent = 'Looks for the sentence that declines.';
  const parts = sentences(text, judged.reasoning).slice(0, state.limits.max_batch);
  const answers = parts.map((part) => ({ ...(question.prompt && { prompt: question.prompt }), response: part.text }));
  const said = await ask('/v1/classify', JSON.stringify({ answers, model: question.model }), mine.signal);
  if (mine !== asking) return;
  const found = said.classifications.reduce((most, one) => ((one.p_refusal ?? 0) > (most.p_refusal ?? 0) ? one : most));
  if (found.label !== 'refused') {
    el('judged-note').textContent = 'No single sentence declines by itself; the text as a whole does.';
    return;
  }
  mark(el('judged-text'), text, parts[found.index]);
  el('judged-note').textContent = parts.length === 1
    ? 'The marked sentence declines.'
    : `The marked sentence declines most clearly: judged alone it has the probability ${fixed(found.p_refusal)}.`;
}
