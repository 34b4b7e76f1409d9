// The sentences of an answer, and a mark around one of them. Places are counted in code points, as the server does.

import { countChars, make } from './dom.js';

// What a model wrote for itself before its answer ends with one of these.
const REASONING_ENDS = /<\/(?:think|thinking|reasoning)>/gi;

// The sentences of a text as {start, end, text}, without the white space around them; those of the reasoning left out.
export function sentences(text, reasoning = false) {
  const from = reasoning ? [...text.matchAll(REASONING_ENDS)].reduce((_, end) => end.index + end[0].length, 0) : 0;
  const found = [];
  for (const [begin, piece] of pieces(text.slice(from))) {
    const sentence = piece.trim();
    if (sentence === '') continue;
    const before = text.slice(0, from + begin + piece.indexOf(sentence));
    const start = countChars(before);
    found.push({ start, end: start + countChars(sentence), text: sentence });
  }
  return found;
}

// Where each sentence begins, and the sentence.
function pieces(text) {
  if (Intl.Segmenter) {
    const cut = new Intl.Segmenter('en', { granularity: 'sentence' }).segment(text);
    return Array.from(cut, ({ index, segment }) => [index, segment]);
  }
  return Array.from(text.matchAll(/[^.!?。！？\n]+[.!?。！？]*\s*/g), (found) => [found.index, found[0]]);
}

// The place of a part in a text; null if it is not there.
export function placeOf(text, part) {
  const at = part ? text.indexOf(part) : -1;
  if (at < 0) return null;
  const start = countChars(text.slice(0, at));
  return { start, end: start + countChars(part) };
}

// Puts the text into the element, with one part of it marked.
export function mark(node, text, place) {
  if (!place) return node.replaceChildren(text);
  const characters = Array.from(text);
  const piece = (from, to) => characters.slice(from, to).join('');
  node.replaceChildren(piece(0, place.start), make('mark', {}, piece(place.start, place.end)), piece(place.end));
}
