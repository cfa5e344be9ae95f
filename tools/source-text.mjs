/**
 * Blanks comments, and on request strings, out of TypeScript source, keeping every other character
 * and every line break where it was, so that a match's line number stays true. A scanner, not a
 * parser: it knows quotes, template nesting, comments and where a regular expression may begin.
 */

export function blankOut(text, { strings }) {
  const out = text.split('');
  const blank = (from, to) => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' ';
  };
  /** Depth of braces at which each open template literal's `${` began. */
  const templates = [];
  let braces = 0;
  let i = 0;
  const template = (from) => {
    const end = templateChunkEnd(text, from);
    if (strings) blank(from, end);
    if (text.startsWith('${', end)) {
      templates.push(braces);
      return end + 2;
    }
    return end + 1;
  };
  while (i < text.length) {
    const c = text[i];
    if (c === '/' && text[i + 1] === '/') {
      const end = indexOrEnd(text, '\n', i);
      blank(i, end);
      i = end;
    } else if (c === '/' && text[i + 1] === '*') {
      const end = indexOrEnd(text, '*/', i + 2) + 2;
      blank(i, end);
      i = end;
    } else if (c === '"' || c === "'") {
      const end = quotedEnd(text, i);
      if (strings) blank(i + 1, end);
      i = end + 1;
    } else if (c === '`') i = template(i + 1);
    else if (c === '}' && templates.at(-1) === braces) {
      templates.pop();
      i = template(i + 1);
    } else if (c === '/' && regexMayBegin(text, i)) {
      const end = regexEnd(text, i);
      if (strings) blank(i + 1, end);
      i = end + 1;
    } else {
      if (c === '{') braces++;
      if (c === '}') braces--;
      i++;
    }
  }
  return out.join('');
}

function indexOrEnd(text, what, from) {
  const at = text.indexOf(what, from);
  return at < 0 ? text.length : at;
}

function quotedEnd(text, start) {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === text[start] || text[i] === '\n') return i;
  }
  return text.length;
}

/** Where the literal part of a template that goes on at `from` ends: at "`" or at "${". */
function templateChunkEnd(text, from) {
  for (let i = from; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '`' || text.startsWith('${', i)) return i;
  }
  return text.length;
}

/** A slash divides after a value and begins a regular expression after anything else. */
function regexMayBegin(text, at) {
  const before = text.slice(Math.max(0, at - 80), at).trimEnd();
  return !/[\w$)\]}'"`]$/.test(before) || /\b(return|typeof|case|in|of)$/.test(before);
}

function regexEnd(text, start) {
  let inClass = false;
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '\n') return i;
    else if (text[i] === '[') inClass = true;
    else if (text[i] === ']') inClass = false;
    else if (text[i] === '/' && !inClass) return i;
  }
  return text.length;
}
