// The playground's first script: asks the server which models it has, and hands them to the parts of the page, each of
// which is a module of its own under playground/.

import { el, show } from './playground/dom.js';
import { ask, onKey } from './playground/server.js';
import { state, tell } from './playground/state.js';
import './playground/policy.js';
import './playground/prompt.js';
import './playground/many.js';
import './playground/answer.js';
import './playground/targets.js';
import './playground/models.js';
import './playground/examples.js';
import './playground/tabs.js';
import { openLink } from './playground/share.js';

async function start() {
  show(el('page-error'), '');
  let said;
  try {
    said = await ask('/v1/models');
  } catch (error) {
    if (error.isTemporary) setTimeout(start, 1000 * error.retryAfter);
    show(el('page-error'), error.message);
    return;
  }
  Object.assign(state.limits, said.limits);
  state.models = said.models;
  state.predictors = said.models.filter((model) => model.field === 'prompt');
  state.classifiers = said.models.filter((model) => model.field === 'response');
  if (state.predictors.length === 0) show(el('page-error'), 'This server has no model that judges prompts.');
  tell('models');
  openLink();
}

onKey(start);
start();
