// What is asked of this server: one function, its errors in words, and the API key.

import { el, later } from './dom.js';

export class Failure extends Error {
  constructor(status, message, retryAfter, field = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
    this.field = field; // of the request, where the server says which is wrong
  }

  // Whether the same question may be answered later.
  get isTemporary() {
    return this.status === 429 || this.status === 503;
  }
}

const WHY = {
  401: 'The server asks for an API key.',
  403: 'This API key may not do that.',
  408: 'The request took too long to arrive.',
  413: 'That is more text than the server takes at once.',
  429: 'The server has too many requests at the moment.',
  503: 'The server is starting or stopping.',
};

// Asks the server; with a body by POST. Throws a `Failure`, or the AbortError of the signal.
export async function ask(path, body, signal) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, { method: body === undefined ? 'GET' : 'POST', headers, body, signal, cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Failure(0, 'The server does not answer. Is it still running?');
  }
  let said = null;
  try {
    said = await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
  }
  if (response.ok && said !== null) return said;
  const detail = said?.error;
  const message = [WHY[response.status], detail && `${detail.message}${detail.field ? ` (${detail.field})` : ''}`]
    .filter(Boolean).join(' ') || `The server answered with status ${response.status}.`;
  const wait = Number(response.headers.get('Retry-After'));
  if (response.status === 401) el('key-form').hidden = false;
  throw new Failure(response.status, detail?.request_id ? `${message} Request ${detail.request_id}.` : message, wait > 0 ? wait : 1, detail?.field);
}

// The same, again after the pause that the server names while it has too much to do.
export async function askPatiently(path, body, signal) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await ask(path, body, signal);
    } catch (error) {
      if (!error.isTemporary || tries === 8) throw error;
      await later(1000 * error.retryAfter);
      signal.throwIfAborted();
    }
  }
}

// The key outlives a reload of the tab, unless the browser forbids pages to keep anything.
let key = '';
try {
  key = sessionStorage.getItem('demur-key') ?? '';
} catch { /* then it is asked for again */ }

export const hasKey = () => key !== '';

// Takes the key of the form, and calls `then` with it in place.
export function onKey(then) {
  el('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    key = el('key').value.trim();
    try {
      sessionStorage.setItem('demur-key', key);
    } catch { /* as above */ }
    el('key').value = '';
    el('key-form').hidden = true;
    then();
  });
}
