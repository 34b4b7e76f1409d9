// A provider's response as JSON: whether a pasted text is one, and the answer's text in it, which the page shows. What
// it means is for the server to say; this only finds the texts that a person would read as the answer.

const TEXTS = ['content', 'text', 'response', 'generated_text', 'output_text', 'refusal'];
const ASKED = ['system', 'developer', 'user', 'tool'];
const NOT_ANSWERS = ['request', 'request_body', 'input', 'messages', 'prompt', 'instructions', 'tools', 'metadata', 'usage', 'logprobs'];
const FIRST_ONLY = ['choices', 'candidates', 'generations']; // of several answers the server judges the first

// The object that a text is as JSON; null if it is none.
export function jsonObject(text) {
  if (!text.trim().startsWith('{')) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// The answer's text within a provider's response; empty if there is none.
export function textOf(body) {
  return textsIn(body).join('\n\n');
}

function textsIn(value) {
  if (Array.isArray(value)) return value.flatMap(textsIn);
  if (value === null || typeof value !== 'object') return [];
  const isThought = value.thought === true || /reasoning|thinking/.test(String(value.type ?? ''));
  if (isThought || ASKED.includes(value.role)) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    if (NOT_ANSWERS.includes(name)) return [];
    if (typeof inner === 'string') return TEXTS.includes(name) && inner.trim() !== '' ? [inner] : [];
    return textsIn(FIRST_ONLY.includes(name) && Array.isArray(inner) ? inner.slice(0, 1) : inner);
  });
}
