/** A stretch of a description: as it is, a link to another page, or a moment of the film. */
export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'link'; text: string; href: string }
  | { kind: 'moment'; text: string; seconds: number };

// Addresses, and whatever is joined to two digits behind a colon.
const FOUND = /https?:\/\/[^\s<>"`]+|[\w.:/]*\d:\d\d[\w.:/]*/gi;
const MOMENT = /^(?:(\d{1,2}):([0-5]\d)|(\d{1,3})):([0-5]\d)$/;
const CLOSING = /[.,;:!?'’”»…]+$/;

/** The pieces of a text. `length` in seconds: a time behind the film's end is none. */
export function piecesOf(text: string, length: number): Piece[] {
  const pieces: Piece[] = [];
  let written = '';
  let from = 0;
  const add = (piece: Piece) => {
    if (written) pieces.push({ kind: 'text', text: written });
    written = '';
    pieces.push(piece);
  };
  for (const found of text.matchAll(FOUND)) {
    const word = withoutClosing(found[0]);
    const piece = linkOf(word) ?? momentOf(word, length);
    written += text.slice(from, found.index);
    from = found.index;
    if (!piece) continue;
    add(piece);
    from += word.length;
  }
  written += text.slice(from);
  if (written) pieces.push({ kind: 'text', text: written });
  return pieces;
}

/** Marks and brackets behind an address belong to the sentence. */
function withoutClosing(word: string): string {
  const kept = word.replace(CLOSING, '');
  const last = kept.at(-1);
  const opening = last === ')' ? '(' : last === ']' ? '[' : null;
  if (opening === null || kept.split(opening).length >= kept.split(last ?? '').length) return kept;
  return withoutClosing(kept.slice(0, -1));
}

function linkOf(word: string): Piece | null {
  const url = addressOf(word);
  // A name before the host makes an address look like another one's.
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) return null;
  return { kind: 'link', text: word, href: url.href };
}

function addressOf(word: string): URL | null {
  try {
    return new URL(word);
  } catch {
    return null;
  }
}

function momentOf(word: string, length: number): Piece | null {
  const found = MOMENT.exec(word);
  if (!found) return null;
  const [, hours, minutes, long, rest] = found;
  const seconds = (Number(hours ?? 0) * 60 + Number(minutes ?? long)) * 60 + Number(rest);
  return seconds < length ? { kind: 'moment', text: word, seconds } : null;
}

const SHORT_LENGTH = 400;
const SHORT_LINES = 6;

/** What is shown of a long text at first; all of a short one. */
export function beginningOf(text: string): string {
  const lines = text.split('\n').slice(0, SHORT_LINES).join('\n');
  if (lines.length <= SHORT_LENGTH) return lines;
  const cut = lines.slice(0, SHORT_LENGTH);
  return cut.replace(/\S*$/, '').trimEnd() || cut;
}
