// What decided a prompt: its words by what they add, which would have to change, and the parts that sum to the answer.
// Offsets are counted in code points, as the server does.

import { el, fixed, make, many, signed } from './dom.js';
import { SAID } from './state.js';

const WORDS_SHOWN = 3000; // more elements than this make typing slow

export function drawExplanation(answer, prompt) {
  drawWords(answer, prompt);
  drawFlip(answer, prompt);
  drawShares(answer);
  drawTerms(answer);
  el('explained').hidden = false;
}

function direction(number) {
  return number > 0 ? 'towards refusal' : number < 0 ? 'towards an answer' : 'no effect';
}

function drawWords(answer, prompt) {
  const characters = Array.from(prompt);
  const words = answer.words.slice(0, WORDS_SHOWN);
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
  if (answer.words.length > words.length) nodes.push(' …');
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

export function flipInWords(answer) {
  if (!answer.flip) return '';
  const words = answer.flip.removed.map((word) => word.text).join(', ');
  return `Without ${words} it would be ${fixed(answer.flip.p_refusal, 2)}: ${SAID[answer.flip.decision]}.`;
}

function drawFlip(answer, prompt) {
  const { flip, unexplained, p_refusal: p } = answer;
  if (!flip) {
    const why = unexplained.charAt(0).toUpperCase() + unexplained.slice(1);
    el('flip').replaceChildren(make('p', {}, `${why}.`), ...fragmentInWords(answer));
    return;
  }
  const words = flip.removed.flatMap((word, index) => [
    ...(index === 0 ? [] : [index === flip.removed.length - 1 ? ' and ' : ', ']),
    make('span', { class: 'struck' }, `“${word.text}”`),
  ]);
  const said = make('p', {}, 'Without ', ...words, ', the probability goes from ',
    make('span', { class: 'number' }, fixed(p)), ' to ', make('span', { class: 'number' }, fixed(flip.p_refusal)),
    `, and the decision becomes “${SAID[flip.decision]}”.`);
  const characters = Array.from(prompt);
  const quote = make('p', { class: 'quote' });
  let at = 0;
  for (const word of [...flip.removed].sort((a, b) => a.start - b.start)) {
    quote.append(characters.slice(at, word.start).join(''), make('del', {}, characters.slice(word.start, word.end).join('')));
    at = word.end;
  }
  quote.append(characters.slice(at).join(''));
  const note = make('p', { class: 'note' }, 'The fewest words found that mean something, speak for the decision and clearly change it. Words are only taken away, and each try is judged again.');
  el('flip').replaceChildren(said, quote, note, ...fragmentInWords(answer));
}

// The fewest neighbouring words that are held by themselves.
function fragmentInWords({ fragment }) {
  if (!fragment) return [];
  return [make('p', { id: 'fragment' }, `Alone, ${many(fragment.words, 'word')} would be enough: `,
    make('strong', {}, `“${fragment.text}”`), ' has the probability ',
    make('span', { class: 'number' }, fixed(fragment.p_refusal)), '.')];
}

// The words, then what else adds up to the answer: the service says in `label` what each part is.
function drawShares({ shares }) {
  const sum = shares.reduce((all, share) => all + share.contribution, 0);
  el('shares').tBodies[0].replaceChildren(...shares.map((share) => make('tr', {},
    make('td', {}, share.kind === 'word' ? make('code', {}, share.label) : share.label),
    make('td', { class: `right number ${share.contribution > 0 ? 'adds-refusal' : 'adds-comply'}` }, signed(share.contribution)))));
  el('shares-note').textContent = `All of it makes ${signed(sum)}, the log-odds of ${fixed(1 / (1 + Math.exp(-sum)))}.`;
}

function drawTerms({ terms, terms_in_all: inAll, bias, logit }) {
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
