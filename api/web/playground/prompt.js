// One prompt: asked while it is typed, with the probability, the decision and what they mean.

import { countChars, debounced, el, fixed, many, show, wellFormed } from './dom.js';
import { ask } from './server.js';
import { decide, on, SAID, state, thresholds } from './state.js';
import { drawExplanation, flipInWords } from './words.js';

const WAIT_TYPING = 150; // milliseconds of rest before a prompt is sent
const WAIT_POLICY = 300; // the same for a threshold, which only the flip needs
const WAIT_SPEAKING = 700; // before a screen reader speaks, so that it does not speak at every key
const TERMS_SHOWN = 15;
const MEANS = {
  send: 'An answer is likely: the probability is below the threshold.',
  abstain: 'Too close to say: the probability lies between the two thresholds.',
  hold: 'A refusal is likely: the probability has reached the threshold.',
  none: 'Type a prompt to see how likely a refusal is.',
};

let answer = null; // of /v1/explain, for the prompt in the box
let answered = ''; // the prompt that it is for
let asking = null; // the AbortController of the newest question: an older answer is never shown
let retry = 0;

// The request that the page makes for the prompt in the box.
export function promptQuestion() {
  const question = { prompt: wellFormed(el('prompt').value), model: state.model.name, policy: thresholds(), top: TERMS_SHOWN };
  if (el('target').value) question.target = el('target').value;
  return question;
}

// Counts the prompt's characters; the examples are there while it has none.
export function measurePrompt() {
  const length = countChars(wellFormed(el('prompt').value));
  el('prompt-count').textContent = length ? many(length, 'character') : '';
  el('examples').hidden = length > 0;
  return length;
}

export async function judge() {
  judgeSoon.cancel();
  judgePolicy.cancel();
  clearTimeout(retry);
  asking?.abort();
  const mine = (asking = new AbortController());
  const prompt = wellFormed(el('prompt').value);
  const length = measurePrompt();
  show(el('prompt-error'), '');
  if (prompt.trim() === '') return forget();
  if (length > state.limits.max_chars) {
    forget();
    show(el('prompt-error'), `The prompt has ${many(length, 'character')}; this server takes ${state.limits.max_chars.toLocaleString('en')}.`);
    return;
  }
  if (!state.model) return;
  el('answer').classList.add('stale');
  try {
    const said = await ask('/v1/explain', JSON.stringify(promptQuestion()), mine.signal);
    if (mine !== asking) return;
    answer = said;
    answered = prompt;
    drawDecision();
    drawExplanation(answer, answered);
    speakSoon();
  } catch (error) {
    if (mine !== asking || error.name === 'AbortError') return;
    forget();
    if (error.status === 401) return;
    const again = error.isTemporary;
    if (again) retry = setTimeout(judge, 1000 * error.retryAfter);
    show(el('prompt-error'), again ? `${error.message} Asks again in ${many(error.retryAfter, 'second')}.` : error.message);
  }
}

// Shows no answer, and drops one that is on its way.
export function forget() {
  asking?.abort();
  asking = null;
  answer = null;
  answered = '';
  el('explained').hidden = true;
  drawDecision();
  speakSoon();
}

const judgeSoon = debounced(judge, WAIT_TYPING);
const judgePolicy = debounced(judge, WAIT_POLICY);
const speakSoon = debounced(() => {
  el('spoken').textContent = answer
    ? `Probability of refusal ${fixed(answer.p_refusal, 2)}. ${SAID[decide(answer.p_refusal, answer.reason)]}. ${flipInWords(answer)}`
    : '';
}, WAIT_SPEAKING);

el('prompt').addEventListener('input', judgeSoon);

// Puts a prompt into the box and judges it.
export function choosePrompt(prompt) {
  el('prompt').value = prompt;
  el('prompt').focus();
  el('prompt').scrollIntoView({ block: 'center' });
  judge();
}

// What an encoder adds to the n-grams, of models that have one.
function tiersInWords() {
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

// Why nothing is decided on a prompt of which too little is known.
const UNKNOWN = {
  'no words': 'There are no words in it to judge by.',
  'unknown language': 'The model does not know this language; the number says nothing.',
  'unknown words': 'The model knows hardly any of these words; the number says little.',
};

function drawDecision() {
  const p = answer?.p_refusal;
  const decision = answer ? decide(answer.p_refusal, answer.reason) : 'none';
  el('answer').dataset.decision = decision;
  el('answer').classList.remove('stale');
  el('probability').textContent = answer ? fixed(p) : '–';
  el('decision').textContent = SAID[decision];
  el('meaning').textContent = answer?.reason ? UNKNOWN[answer.reason] : MEANS[decision];
  show(el('tiers'), tiersInWords());
  el('marker').hidden = !answer;
  if (answer) el('marker').style.left = `${100 * p}%`;
}

on('target', judge);
on('policy', drawDecision);
on('policy-asked', judgePolicy);
