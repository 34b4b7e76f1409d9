// Reads prompts out of a file that was chosen or dropped: a line each, JSON Lines, or CSV.

const COLUMNS = ['prompt', 'text', 'question']; // where a table keeps its prompts, the first that is there

// Reads comma-separated values (RFC 4180) into rows of fields; quoted fields may hold commas, quotes and line ends.
function readCsv(text) {
  const rows = [];
  let row = [];
  let field = '';
  let quoted = false;
  let at = 0;
  const endField = () => { row.push(field); field = ''; };
  const endRow = () => { endField(); if (row.length > 1 || row[0] !== '') rows.push(row); row = []; };
  while (at < text.length) {
    const c = text[at];
    if (quoted) {
      if (c === '"' && text[at + 1] === '"') { field += '"'; at += 1; }
      else if (c === '"') quoted = false;
      else field += c;
    } else if (c === '"' && field === '') quoted = true;
    else if (c === ',') endField();
    else if (c === '\n') endRow();
    else if (c !== '\r' || text[at + 1] !== '\n') field += c;
    at += 1;
  }
  if (quoted) throw new Error('The last quoted field of the file is not closed.');
  if (field !== '' || row.length > 0) endRow();
  return rows;
}

const lines = (text) => text.split(/\r\n|\n|\r/);

export function promptsOfLines(text) {
  return { prompts: lines(text).filter((line) => line.trim() !== ''), skipped: [] };
}

function promptsOfJsonl(text) {
  const prompts = [];
  const skipped = [];
  lines(text).forEach((line, index) => {
    if (line.trim() === '') return;
    let value;
    try {
      value = JSON.parse(line);
    } catch {
      skipped.push(`line ${index + 1} is not JSON`);
      return;
    }
    const name = COLUMNS.find((column) => typeof value?.[column] === 'string');
    const prompt = typeof value === 'string' ? value : name && value[name];
    if (typeof prompt === 'string' && prompt.trim() !== '') prompts.push(prompt);
    else skipped.push(`line ${index + 1} has no field ${COLUMNS.join(', ')} with a text`);
  });
  return { prompts, skipped };
}

function promptsOfCsv(text) {
  const [header, ...rows] = readCsv(text);
  if (!header) return { prompts: [], skipped: [] };
  const names = header.map((name) => name.trim().toLowerCase());
  const named = COLUMNS.map((column) => names.indexOf(column)).find((index) => index >= 0);
  const column = named ?? (names.length === 1 ? 0 : undefined);
  if (column === undefined) throw new Error(`No column of the file is called ${COLUMNS.join(', ')}. Its columns: ${header.join(', ').slice(0, 300)}.`);
  const prompts = [];
  const skipped = [];
  rows.forEach((row, index) => {
    if ((row[column] ?? '').trim() !== '') prompts.push(row[column]);
    else skipped.push(`row ${index + 1} has no prompt`);
  });
  return { prompts, skipped };
}

export function promptsOfFile(name, text) {
  const plain = text.replace(/^\uFEFF/, '');
  if (/\.(jsonl|ndjson)$/i.test(name)) return promptsOfJsonl(plain);
  if (/\.csv$/i.test(name)) return promptsOfCsv(plain);
  return promptsOfLines(plain);
}
