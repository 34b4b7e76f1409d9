'use strict';
// The page's own script: the contrast plot, the ranked table and what they share. Texts from data only ever become text
// nodes. The data are columns, gzipped, in the element #data.

const PAGE = 25;
const el = (id) => document.getElementById(id);
const state = { terms: null, rows: null, shown: [], drawn: [], sort: 'rank', down: false, page: 0, chosen: -1, hover: -1 };

// ---- theme

el('theme').addEventListener('click', () => {
  const dark = getComputedStyle(document.documentElement).colorScheme.includes('dark') && document.documentElement.dataset.theme === 'dark'
    || (!document.documentElement.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  sayTheme();
  draw();
});

function sayTheme() {
  const theme = document.documentElement.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  el('theme').textContent = theme === 'dark' ? 'Light' : 'Dark';
  el('theme').setAttribute('aria-pressed', String(theme === 'dark'));
}

// ---- data

async function read() {
  const text = el('data').textContent;
  if (!text) return null;
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(plain).text());
}

const COLUMNS = [
  ['rank', 'Rank'], ['ngram', 'N-gram'], ['unit', 'Unit'], ['view', 'View'], ['z', 'z'], ['weight', 'Weight'], ['rows', 'Rows'],
  ['refused', 'Refused'], ['complied', 'Complied'], ['refusal_rate', 'Refusal rate'], ['rate_low', '95% from'], ['rate_high', 'to'],
  ['refit_weight', 'Refitted'], ['refit_low', '95% from'], ['refit_high', 'to'], ['sign_stability', 'Same sign'],
  ['within_groups', 'Within groups'], ['within_low', '95% from'], ['within_high', 'to'], ['marks', 'Marks'],
];
const TEXTS = new Set(['ngram', 'unit', 'marks']);
const COUNTS = new Set(['z', 'rows', 'refusal_rate', 'rate_low', 'rate_high']); // what there is only where rows were counted
const [DUPLICATE, PIECE, TESTED] = [8, 16, 32]; // bits of the marks

const round = (value) => (value === null || !Number.isFinite(value) ? null : Math.round(value * 1e4) / 1e4);

// 95% score interval of a share (Wilson 1927), as the tables have it.
function wilson(x, n) {
  if (n === 0) return [null, null];
  const z = 1.959963984540054;
  const p = x / n;
  const spread = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  const scale = 1 + z * z / n;
  return [x === 0 ? 0 : (p + z * z / (2 * n) - spread) / scale, x === n ? 1 : (p + z * z / (2 * n) + spread) / scale];
}

function value(at, key) {
  const t = state.terms;
  switch (key) {
    case 'rank': return at + 1;
    case 'unit': return t.marks[at] & PIECE ? 'piece' : 'word';
    case 'rows': return t.refused && rows(at);
    // A share of no rows is not 0, and its interval not 0 to 1.
    case 'refusal_rate': return rows(at) ? round(t.refused[at] / rows(at)) : null;
    case 'rate_low': return rows(at) ? round(wilson(t.refused[at], rows(at))[0]) : null;
    case 'rate_high': return rows(at) ? round(wilson(t.refused[at], rows(at))[1]) : null;
    case 'subsumed_by': return t.subsumed_by[at] === null ? null : t.ngram[t.subsumed_by[at]];
    case 'marks': return ['unstable', 'between groups', 'subsumed', 'duplicate'].filter((_, bit) => t.marks[at] >> bit & 1).join(', ');
    default: return t[key] ? t[key][at] : null;
  }
}

// Rows that contain an n-gram; 0 where none were counted.
const rows = (at) => (state.terms.refused ? state.terms.refused[at] + state.terms.complied[at] : 0);
const isEmpty = (key) => (COUNTS.has(key) ? state.terms.refused === null : state.terms[key] === null);
const forRefusal = (at) => (state.terms.z[at] ?? state.terms.weight[at]) > 0;

// ---- filter and sort

function filter() {
  const find = el('find').value.trim().toLowerCase();
  const least = Number(el('least').value) || 0;
  const side = el('side').value;
  const marked = el('marked').value;
  const unit = el('unit').value;
  const names = state.lower;
  state.shown = [];
  for (let at = 0; at < names.length; at += 1) {
    if (find && !names[at].includes(find)) continue;
    if (rows(at) < least) continue;
    if (unit && (value(at, 'unit') !== unit || state.terms.marks[at] & DUPLICATE)) continue;
    if (side && (side === 'refused') !== forRefusal(at)) continue;
    if (marked) {
      const marks = value(at, 'marks');
      const stable = state.terms.marks[at] & TESTED && !marks.includes('unstable');
      if (marked === 'stable' ? !stable : marked === 'none' ? marks !== '' : !marks.includes(marked)) continue;
    }
    state.shown.push(at);
  }
  if (state.sort !== 'rank' || state.down) {
    const of = new Map(state.shown.map((at) => [at, value(at, state.sort)]));
    const order = TEXTS.has(state.sort)
      ? (a, b) => (of.get(a) < of.get(b) ? -1 : of.get(a) > of.get(b) ? 1 : a - b)
      : (a, b) => (of.get(a) ?? Infinity) - (of.get(b) ?? Infinity) || a - b;
    state.shown.sort(state.down ? (a, b) => ((of.get(a) ?? null) === null) - ((of.get(b) ?? null) === null) || order(b, a) : order);
  }
  state.page = 0;
  const all = names.length.toLocaleString('en');
  el('count').textContent = `${state.shown.length.toLocaleString('en')} of ${all} n-grams${state.terms.left_out ? `; ${state.terms.left_out.toLocaleString('en')} more are in terms.csv` : ''}`;
  table();
  draw();
}

// ---- table

function head() {
  const row = document.createElement('tr');
  for (const [key, title] of COLUMNS.filter(([name]) => !isEmpty(name))) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.dataset.key = key;
    if (!TEXTS.has(key)) cell.className = 'number';
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = title;
    button.addEventListener('click', () => {
      state.down = state.sort === key ? !state.down : !TEXTS.has(key) && key !== 'rank';
      state.sort = key;
      filter();
    });
    cell.append(button);
    row.append(cell);
  }
  el('table').tHead.replaceChildren(row);
}

function table() {
  for (const cell of el('table').tHead.querySelectorAll('th')) {
    cell.setAttribute('aria-sort', cell.dataset.key !== state.sort ? 'none' : state.down ? 'descending' : 'ascending');
  }
  const from = state.page * PAGE;
  const rows = state.shown.slice(from, from + PAGE).map((at) => {
    const row = document.createElement('tr');
    row.dataset.at = at;
    row.setAttribute('aria-selected', String(at === state.chosen));
    for (const [key] of COLUMNS.filter(([name]) => !isEmpty(name))) {
      const cell = document.createElement('td');
      const shown = value(at, key);
      if (key === 'ngram') {
        const button = document.createElement('button');
        button.type = 'button';
        button.textContent = shown;
        button.className = forRefusal(at) ? 'refused' : 'complied';
        cell.append(button);
      } else {
        cell.textContent = shown === null ? '' : String(shown);
      }
      if (!TEXTS.has(key)) cell.className = 'number';
      row.append(cell);
    }
    row.addEventListener('click', () => choose(at));
    return row;
  });
  el('table').tBodies[0].replaceChildren(...rows);
  const last = Math.min(from + PAGE, state.shown.length);
  el('page').textContent = state.shown.length ? `${from + 1} to ${last} of ${state.shown.length}` : 'none';
  el('before').disabled = from === 0;
  el('next').disabled = last >= state.shown.length;
}

// ---- one n-gram

function marked(text, ngram) {
  const words = ngram.trim().split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/'/g, "['’]"));
  const parts = [];
  let from = 0;
  const inside = words.join('[^\\p{L}\\p{N}]+');
  // As whole words where it stands so; n-grams of characters stand within words.
  const hits = [...text.matchAll(new RegExp(`(?<![\\p{L}\\p{N}])${inside}(?![\\p{L}\\p{N}])`, 'giu'))];
  for (const hit of hits.length ? hits : text.matchAll(new RegExp(inside, 'giu'))) {
    const mark = document.createElement('mark');
    mark.textContent = hit[0];
    parts.push(text.slice(from, hit.index), mark);
    from = hit.index + hit[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}

function list(title, numbers, ngram) {
  const heading = document.createElement('h4');
  heading.textContent = title;
  const items = document.createElement('ul');
  for (const number of numbers) {
    const row = state.rows[number];
    if (!row) continue;
    const item = document.createElement('li');
    const said = document.createElement('span');
    said.className = 'note';
    said.textContent = ` row ${number}, P(refusal) ${row[1]}`;
    item.append(...marked(row[0], ngram), said);
    items.append(item);
  }
  if (!items.children.length) {
    const none = document.createElement('p');
    none.className = 'note';
    none.textContent = numbers.length ? `Rows ${numbers.join(', ')} of rows.csv.` : 'None.';
    return [heading, none];
  }
  return [heading, items];
}

function choose(at) {
  state.chosen = at;
  const ngram = state.terms.ngram[at];
  el('chosen-title').textContent = `“${ngram}”`;
  const facts = document.createElement('dl');
  const say = (name, text) => {
    const [term, definition] = [document.createElement('dt'), document.createElement('dd')];
    [term.textContent, definition.textContent] = [name, text];
    facts.append(term, definition);
  };
  const range = (low, high) => (value(at, low) === null ? '' : ` (${value(at, low)} to ${value(at, high)})`);
  say('z', String(value(at, 'z') ?? '–'));
  say('Weight', String(value(at, 'weight')));
  if (value(at, 'refit_weight') !== null) say('Refitted', `${value(at, 'refit_weight')}${range('refit_low', 'refit_high')}`);
  if (state.terms.refused) say('Rows', `${value(at, 'rows')}: ${value(at, 'refused')} refused, ${value(at, 'complied')} complied`);
  if (value(at, 'refusal_rate') !== null) say('Refusal rate', `${value(at, 'refusal_rate')}${range('rate_low', 'rate_high')}`);
  if (value(at, 'within_groups') !== null) say('Within groups', `${value(at, 'within_groups')}${range('within_low', 'within_high')}`);
  if (value(at, 'subsumed_by')) say('Subsumed by', value(at, 'subsumed_by'));
  if (value(at, 'marks')) say('Marks', value(at, 'marks'));
  const [own, other] = forRefusal(at) ? ['Refused rows', 'Answered rows'] : ['Answered rows', 'Refused rows'];
  el('chosen').replaceChildren(facts, ...list(`${own} with it`, state.terms.examples[at] ?? [], ngram),
    ...list(`${other} with it: counter-examples`, state.terms.counter_examples[at] ?? [], ngram));
  for (const row of el('table').tBodies[0].rows) row.setAttribute('aria-selected', String(Number(row.dataset.at) === at));
  draw();
}

// ---- plot

function geometry() {
  const canvas = el('plot');
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const [left, right, top, bottom] = [44, width - 16, 14, height - 36];
  const { most, reach } = state;
  return {
    width, height, left, right, top, bottom,
    x: (rows) => left + Math.log(rows) / Math.log(most) * (right - left),
    y: (z) => (top + bottom) / 2 - z / reach * (bottom - top) / 2,
  };
}

function draw() {
  const canvas = el('plot');
  if (!state.terms || !canvas || !canvas.clientWidth) return;
  const scale = window.devicePixelRatio || 1;
  const g = geometry();
  canvas.width = Math.round(g.width * scale);
  canvas.height = Math.round(g.height * scale);
  const pen = canvas.getContext('2d');
  pen.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  pen.font = '12px system-ui, sans-serif';
  pen.strokeStyle = colour('--line');
  pen.fillStyle = colour('--soft');
  pen.textAlign = 'center';
  for (let rows = 1; rows <= state.most; rows *= 10) {
    line(pen, g.x(rows), g.top, g.x(rows), g.bottom);
    pen.fillText(String(rows), g.x(rows), g.bottom + 14);
  }
  pen.fillText('rows that contain the n-gram', (g.left + g.right) / 2, g.bottom + 30);
  pen.textAlign = 'right';
  const step = [1, 2, 5, 10, 20, 50, 100].find((candidate) => state.reach / candidate <= 4) || 200;
  for (let z = -step * 4; z <= step * 4; z += step) {
    if (Math.abs(z) > state.reach) continue;
    line(pen, g.left, g.y(z), g.right, g.y(z));
    pen.fillText(String(z), g.left - 6, g.y(z) + 4);
  }
  pen.textAlign = 'left';
  pen.fillText('z', 6, g.top + 4);
  state.drawn = state.shown.filter((at) => state.terms.z[at] !== null && rows(at) > 0);
  const many = state.drawn.length > 12000;
  pen.globalAlpha = many ? 0.5 : 0.8;
  const [refusal, comply] = [colour('--refusal'), colour('--comply')];
  pen.strokeStyle = comply;
  pen.fillStyle = refusal;
  for (const at of state.drawn) {
    const [x, y] = place(g, at);
    if (many) {
      pen.fillStyle = state.terms.z[at] > 0 ? refusal : comply;
      pen.fillRect(x - 1, y - 1, 2, 2);
      continue;
    }
    pen.beginPath();
    pen.arc(x, y, 2.5, 0, 2 * Math.PI);
    if (state.terms.z[at] > 0) pen.fill(); else pen.stroke();
  }
  pen.globalAlpha = 1;
  names(pen, g, colour('--ink'));
  for (const [at, name] of [[state.hover, '--soft'], [state.chosen, '--ink']]) {
    if (at < 0 || state.terms.z[at] === null) continue;
    pen.strokeStyle = colour(name);
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(...place(g, at), 7, 0, 2 * Math.PI);
    pen.stroke();
    pen.lineWidth = 1;
  }
}

function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

const place = (g, at) => [g.x(rows(at)), g.y(state.terms.z[at])];

// The names of the strongest of each side, where they do not cover each other.
function names(pen, g, ink) {
  pen.fillStyle = ink;
  const taken = [];
  for (const side of [true, false]) {
    const strongest = state.drawn.filter((at) => forRefusal(at) === side)
      .sort((a, b) => Math.abs(state.terms.z[b]) - Math.abs(state.terms.z[a])).slice(0, 14);
    for (const at of strongest) {
      const [x, y] = place(g, at);
      const name = state.terms.ngram[at].slice(0, 28);
      const width = pen.measureText(name).width;
      const from = x + 8 + width > g.right ? x - 8 - width : x + 8;
      const box = [from, y - 7, from + width, y + 7];
      if (from < g.left || taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
      taken.push(box);
      pen.textAlign = 'left';
      pen.fillText(name, from, y + 4);
    }
  }
}

function nearest(event) {
  const box = el('plot').getBoundingClientRect();
  const g = geometry();
  const [px, py] = [event.clientX - box.left, event.clientY - box.top];
  let [best, closest] = [-1, 400];
  for (const at of state.drawn) {
    const [x, y] = place(g, at);
    const distance = (x - px) ** 2 + (y - py) ** 2;
    if (distance < closest) [best, closest] = [at, distance];
  }
  return best;
}

function hover(at) {
  if (at === state.hover) return;
  state.hover = at;
  const tip = el('tip');
  tip.hidden = at < 0;
  if (at >= 0) {
    const g = geometry();
    const [x, y] = place(g, at);
    tip.textContent = `${state.terms.ngram[at]}: z ${value(at, 'z')}, ${value(at, 'refused')} of ${value(at, 'rows')} rows refused`;
    tip.style.left = `${Math.max(0, Math.min(x + 10, g.width - tip.offsetWidth))}px`;
    tip.style.top = `${Math.max(0, y - 34)}px`;
  }
  draw();
}

function exportCsv() {
  const keys = [...COLUMNS.map(([key]) => key).filter((key) => !isEmpty(key)), 'subsumed_by'];
  const cell = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = state.shown.map((at) => keys.map((key) => cell(String(value(at, key) ?? ''))).join(','));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([[keys.join(','), ...lines, ''].join('\n')], { type: 'text/csv' }));
  link.download = 'terms-shown.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function start() {
  sayTheme();
  if (!el('plot')) return;
  let data = null;
  try {
    data = await read();
  } catch (error) {
    el('count').textContent = `The explorer does not work in this browser (${error.message}); the tables and figures of the page do, and terms.csv holds all.`;
    return;
  }
  state.terms = data.terms;
  state.rows = data.rows;
  state.lower = data.terms.ngram.map((name) => name.toLowerCase());
  state.most = 2;
  state.reach = 1;
  data.terms.z.forEach((z, at) => {
    state.most = Math.max(state.most, rows(at));
    state.reach = Math.max(state.reach, Math.abs(z ?? 0) * 1.05);
  });
  if (!data.terms.z.some((z) => z !== null)) {
    // Nothing was counted: there is nothing to draw, and nothing to filter by.
    el('least').value = 0;
    document.querySelector('.explore').hidden = true;
    for (const id of ['least', 'marked']) el(id).closest('label').hidden = true;
    el('reading').hidden = true;
  }
  if (data.terms.pieces_alone) el('unit').value = 'piece';
  else if (!data.terms.marks.some((marks) => marks & (PIECE | DUPLICATE))) el('unit').closest('label').hidden = true;
  if (data.terms.stable_only) el('marked').value = 'stable';
  head();
  filter();
  let waiting = 0;
  for (const id of ['find', 'least', 'unit', 'side', 'marked']) {
    el(id).addEventListener('input', () => {
      clearTimeout(waiting);
      waiting = setTimeout(filter, 80);
    });
  }
  el('before').addEventListener('click', () => { state.page -= 1; table(); });
  el('next').addEventListener('click', () => { state.page += 1; table(); });
  el('csv').addEventListener('click', exportCsv);
  const canvas = el('plot');
  canvas.addEventListener('mousemove', (event) => hover(nearest(event)));
  canvas.addEventListener('mouseleave', () => hover(-1));
  canvas.addEventListener('click', (event) => {
    const at = nearest(event);
    if (at >= 0) choose(at);
  });
  canvas.addEventListener('keydown', (event) => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!way || !state.drawn.length) return;
    event.preventDefault();
    const here = state.drawn.indexOf(state.chosen);
    choose(state.drawn[(here + way + state.drawn.length) % state.drawn.length]);
  });
  new ResizeObserver(draw).observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { sayTheme(); draw(); });
  document.documentElement.dataset.ready = 'yes';
}

start();
