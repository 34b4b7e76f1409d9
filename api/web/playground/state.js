// What the parts of the page share: the models, the thresholds, and the events by which they hear of each other.

export const state = {
  models: [], // all models of the server
  predictors: [], // those that judge prompts
  classifiers: [], // those that judge answers
  model: null, // the predictor in use
  limits: { max_batch: 1024, max_chars: 100000, max_body: 4194304 },
  hold: 0.5,
  send: 0.5,
};

export const SAID = { send: 'Send', abstain: 'Abstain', hold: 'Hold', none: 'No prompt yet' };

// Decisions are made here from P(refusal), so that moving a threshold costs no request. Where there is a reason to doubt,
// because too little of the prompt is known, nothing is decided.
export const decide = (p, reason) => (reason ? 'abstain' : p >= state.hold ? 'hold' : p < state.send ? 'send' : 'abstain');
export const thresholds = () => ({ send_below: state.send, hold_from: state.hold });

// Events: `models` (the server has said which it has), `target` (another model or target), `policy` (a threshold moved),
// `policy-asked` (by hand, so that the flip is asked for again), `tab` (another tab is shown), `judge` (a link's text may
// be sent).
const heard = new Map();

export function on(event, work) {
  heard.set(event, [...(heard.get(event) ?? []), work]);
}

export function tell(event, detail) {
  for (const work of heard.get(event) ?? []) work(detail);
}
