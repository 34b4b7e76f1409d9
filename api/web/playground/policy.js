// The predictor, its target, and the two thresholds.

import { el, fixed, make, many } from './dom.js';
import { state, on, tell } from './state.js';

on('models', () => {
  if (state.predictors.length === 0) return;
  const select = el('model');
  select.replaceChildren(...state.predictors.map((model) => make('option', { value: model.name }, model.title || model.name)));
  select.value = (state.predictors.find((model) => model.default) ?? state.predictors[0]).name;
  el('model-field').hidden = state.predictors.length < 2;
  chooseModel();
});

// The options of a list of targets: the average first.
export function targetOptions() {
  return [
    make('option', { value: '' }, 'Average target'),
    ...(state.model.targets ?? []).map((target) => make('option', { value: target }, target)),
  ];
}

function chooseModel() {
  state.model = state.predictors.find((model) => model.name === el('model').value);
  const before = el('target').value;
  el('target').replaceChildren(...targetOptions());
  el('target').value = (state.model.targets ?? []).includes(before) ? before : '';
  const encoder = state.model.encoder ? ` · encoder ${state.model.encoder.base}` : '';
  el('model-line').textContent = `Model ${state.model.title} · ${many(state.model.ngrams, 'n-gram')}${encoder} · digest ${state.model.digest.slice(0, 12)}`;
  showLimits(el('limits'), state.model);
  resetPolicy();
  tell('target');
}

// What a model is worth on sources that its fit has not seen, under every answer of it.
export function showLimits(node, model) {
  const more = make('a', { href: '#tab=models' }, 'Figures of each source');
  const known = model.left_out;
  const said = known ? `${known.limits.replace(/\.?$/, '.')} ` : 'How it does on sources that its fit has not seen was not measured. ';
  node.replaceChildren(said, more);
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
  for (const gauge of ['zone', 'pair']) {
    el(`${gauge}-send`).style.width = `${100 * state.send}%`;
    el(`${gauge}-abstain`).style.width = `${100 * (state.hold - state.send)}%`;
    el(`${gauge}-hold`).style.width = `${100 * (1 - state.hold)}%`;
  }
  tell('policy');
}

function movedByHand() {
  policyMoved();
  tell('policy-asked');
}

for (const id of ['hold-from', 'hold-from-many']) {
  el(id).addEventListener('input', (event) => {
    state.hold = Number(event.target.value);
    state.send = el('band').checked ? Math.min(state.send, state.hold) : state.hold;
    movedByHand();
  });
}
el('send-below').addEventListener('input', (event) => {
  state.send = Number(event.target.value);
  state.hold = Math.max(state.send, state.hold);
  movedByHand();
});
el('band').addEventListener('change', () => {
  state.send = el('band').checked ? Math.max(0, Math.round(100 * (state.hold - 0.2)) / 100) : state.hold;
  movedByHand();
});
el('policy-reset').addEventListener('click', () => {
  resetPolicy();
  tell('policy-asked');
});
el('model').addEventListener('change', chooseModel);
el('target').addEventListener('change', () => tell('target'));
