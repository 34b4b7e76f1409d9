// Elements, texts and numbers: what all parts of the page make them with. A text reaches the page as a text node, never
// as markup, because prompts and answers are hostile input.

export const el = (id) => document.getElementById(id);

// An element with these attributes and children; strings become text nodes.
export function make(name, options = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === 'class') node.className = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// Puts a text into an element, and hides it without one.
export function show(node, text) {
  node.textContent = text;
  node.hidden = text === '';
}

// A bar as wide as its share of the cell that it lies in.
export function bar(share) {
  const node = make('div', { class: 'bar' });
  node.style.width = `${100 * Math.max(0, Math.min(1, share))}%`;
  return node;
}

export const fixed = (number, digits = 3) => number.toFixed(digits);
export const signed = (number, digits = 3) => (number < 0 ? '−' : '+') + Math.abs(number).toFixed(digits);
export const many = (count, one, more = one + 's') => `${count.toLocaleString('en')} ${count === 1 ? one : more}`;
export const percent = (share) => `${Math.round(100 * share)}%`;

// A lone half of a surrogate pair is no character and cannot be sent; the replacement counts as one character too.
export const wellFormed = (text) => (text.toWellFormed ? text.toWellFormed() : text);

// The server counts code points; JavaScript's own length counts UTF-16 units.
export function countChars(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

export const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Calls `work` once its calls have rested for `wait` milliseconds.
export function debounced(work, wait) {
  let timer = 0;
  const call = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}
