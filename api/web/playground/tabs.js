// The tabs: one panel at a time, moved through with the arrow keys.

import { el } from './dom.js';
import { tell } from './state.js';

const TABS = ['prompt', 'answer', 'targets', 'models'];
let shown = 'prompt';

export const tabShown = () => shown;

export function showTab(name) {
  if (!TABS.includes(name)) return;
  shown = name;
  for (const tab of TABS) {
    el(`tab-${tab}`).setAttribute('aria-selected', String(tab === name));
    el(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
    el(`panel-${tab}`).hidden = tab !== name;
  }
  tell('tab', name);
}

for (const [index, tab] of TABS.entries()) {
  el(`tab-${tab}`).addEventListener('click', () => showTab(tab));
  el(`tab-${tab}`).addEventListener('keydown', (event) => {
    const next = {
      ArrowRight: (index + 1) % TABS.length,
      ArrowLeft: (index + TABS.length - 1) % TABS.length,
      Home: 0,
      End: TABS.length - 1,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    showTab(TABS[next]);
    el(`tab-${TABS[next]}`).focus();
  });
}
