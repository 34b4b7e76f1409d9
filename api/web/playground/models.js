// The models and their figures, as a page to read: what `/v1/models` says, without the JSON.

import { el, fixed, make, many, percent } from './dom.js';
import { on, state } from './state.js';

const FIELDS = { prompt: 'Judges prompts, before they are sent', response: 'Judges answers, after they have come' };
const PEOPLE = { person: 'people', judge: 'a judge model', rule: 'a rule', norm: 'what should be refused', demur: 'Demur', unknown: 'unknown' };
const LIMITS = [
  ['max_chars', 'Characters of a text'],
  ['max_batch', 'Texts in one request'],
  ['max_rows', 'Rows of a file in one request'],
  ['max_body', 'Bytes of a request'],
  ['request_timeout', 'Seconds for a request'],
  ['rate', 'Requests a second from one caller'],
];

on('models', () => {
  el('models').replaceChildren(...state.models.map(modelInWords));
  el('server-limits').replaceChildren(...LIMITS.map(([name, label]) => fact(label, numberOr(state.limits[name], 'no limit'))));
});

const numberOr = (value, otherwise) => (typeof value === 'number' ? value.toLocaleString('en') : otherwise);
const figure = (value, digits = 3) => (typeof value === 'number' ? fixed(value, digits) : '–');
const share = (value) => (typeof value === 'number' ? percent(value) : '–');
const fact = (label, ...value) => make('div', {}, make('dt', {}, label), make('dd', {}, ...value));

function modelInWords(model) {
  const title = `about-${model.name}`;
  return make('article', { class: 'model', 'aria-labelledby': title },
    make('h3', { id: title }, model.title || model.name),
    make('p', {}, `${FIELDS[model.field] ?? model.field}.${model.default ? ' Used where a request names no model.' : ''}`),
    facts(model),
    ...leftOut(model),
    ...figures(model),
    targets(model),
    training(model));
}

function facts(model) {
  const { send_below: below, hold_from: from } = model.policy;
  const thresholds = model.field === 'prompt'
    ? below === from ? `held from ${figure(from, 2)}` : `sent below ${figure(below, 2)}, held from ${figure(from, 2)}`
    : `refused from ${figure(from, 2)}`;
  const list = [
    fact('Name in requests', make('code', {}, model.name)),
    fact('Field', make('code', {}, model.field)),
    make('div', { class: 'long' }, make('dt', {}, 'Digest (SHA-256)'), make('dd', {}, make('code', {}, model.digest))),
    fact('Thresholds', thresholds),
    fact('N-grams', numberOr(model.ngrams, '–')),
    fact('Calibration', model.calibration?.method ?? '–'),
    fact('Encoder', model.encoder ? `${model.encoder.base}${model.encoder.tuned ? ', tuned' : ''}` : 'none'),
  ];
  if (model.kinds.length > 0) list.push(fact('Kinds of answers', model.kinds.join(', ')));
  return make('dl', { class: 'facts' }, ...list);
}

// A table whose first column names its rows; the columns in `words` are not numbers.
function table(label, head, rows, words = []) {
  const aligned = (index) => (index > 0 && !words.includes(index) ? { class: 'right number' } : {});
  return make('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': label },
    make('table', {},
      make('thead', {}, make('tr', {}, ...head.map((text, index) => make('th', { scope: 'col', ...aligned(index) }, text)))),
      make('tbody', {}, ...rows.map((row) => make('tr', {}, ...row.map((text, index) => (
        index === 0 ? make('th', { scope: 'row' }, text) : make('td', aligned(index), text))))))));
}

// Each figure beside what a list of phrases and always guessing the more frequent label get on the same rows.
const HEAD = ['Source', 'Rows', 'Refused', 'Right', 'Phrase list', 'Majority', 'AUROC', 'ECE'];
const MEANING = 'Right: share of decisions that agree with the labels. Phrase list and Majority: the same for a short list of phrases and for always guessing the more frequent label. AUROC: how well the order separates (1 is best, 0.5 is chance). ECE: how far the probabilities are off (0 is best).';

function leftOut(model) {
  const title = make('h4', {}, 'On sources that its fit has not seen');
  if (!model.left_out) return [title, make('p', {}, 'Not measured.')];
  const { limits, sources, mean } = model.left_out;
  const row = (name, one) => [name, numberOr(one.n, '–'), share(one.refused), share(one.accuracy), share(one.phrase_list), share(one.majority), figure(one.auroc, 2), figure(one.ece, 2)];
  const rows = sources.map((one) => row(`${one.name} (labels: ${PEOPLE[one.labeller] ?? one.labeller})`, one));
  return [title, make('p', { class: 'limits' }, limits.endsWith('.') ? limits : `${limits}.`),
    table(`${model.title}: sources that its fit has not seen`, HEAD, [...rows, row('All of them', mean)]),
    make('p', { class: 'note' }, MEANING)];
}

function figures(model) {
  const entries = Object.entries(model.figures ?? {});
  if (entries.length === 0) return [];
  const rows = entries.map(([name, one]) => [
    one.measures ? `${name} (${one.measures})` : name, numberOr(one.n, '–'), share(one.base_rate), share(one.accuracy),
    share(one.baselines?.phrase_list?.accuracy), share(one.baselines?.majority?.accuracy), figure(one.auroc, 2), figure(one.ece, 2)]);
  return [make('h4', {}, 'On rows that its fit has not seen'), table(`${model.title}: rows that its fit has not seen`, HEAD, rows)];
}

function targets(model) {
  if (model.targets.length === 0) return make('p', { class: 'note' }, 'It knows no target by name.');
  return make('details', {},
    make('summary', {}, `${many(model.targets.length, 'target')} that it knows by name`),
    make('ul', { class: 'names' }, ...model.targets.map((target) => make('li', {}, target))));
}

function training(model) {
  const rows = model.training.map((one) => [
    one.source ? `${one.source}: ${one.file}` : one.file, numberOr(one.rows, '–'), one.labelled_by, one.licence ?? '–']);
  const all = model.training.reduce((sum, one) => sum + one.rows, 0);
  return make('details', {},
    make('summary', {}, `What it was fitted on: ${many(all, 'row')} of ${many(rows.length, 'file')}`),
    table(`${model.title}: training rows`, ['File', 'Rows', 'Labelled by', 'Licence'], rows, [2, 3]));
}
