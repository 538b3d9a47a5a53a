import { formatClock } from '../format/duration';
import { type Cue, plainText } from '../player/cues';

/** A text of the film, as it is read. */
export interface Line {
  /** Seconds. */
  start: number;
  text: string;
}

/** So many lines are drawn, and left out, together. */
export const BLOCK = 40;

/** The captions as a text to read: a line for each, without those that say the same again. */
export function linesOf(cues: readonly Cue[]): Line[] {
  const lines: Line[] = [];
  for (const cue of cues) {
    const text = plainText(cue.text).replaceAll('\n', ' ').trim();
    if (text && lines.at(-1)?.text !== text) lines.push({ start: cue.start, text });
  }
  return lines;
}

/** The lines that have all words of a query, whatever their accents. */
export function linesWith(lines: readonly Line[], query: string): readonly Line[] {
  const words = folded(query).split(/\s+/).filter(Boolean);
  if (words.length === 0) return lines;
  return lines.filter(({ text }) => {
    const within = folded(text);
    return words.every((word) => within.includes(word));
  });
}

/** The index of the line that is heard at a moment; -1 before the first. */
export function lineAt(lines: readonly Line[], seconds: number): number {
  let from = 0;
  let until = lines.length;
  while (from < until) {
    const middle = (from + until) >> 1;
    // The player's place is known in whole seconds.
    if (Math.floor(lines[middle]?.start ?? 0) <= seconds) from = middle + 1;
    else until = middle;
  }
  return from - 1;
}

/** The whole text, with times. */
export function textOf(lines: readonly Line[]): string {
  return lines
    .map(({ start, text }) => `${formatClock(Math.floor(start) * 1000)}  ${text}\n`)
    .join('');
}

/** A name for the text's file that every system takes. */
export function fileName(title: string, language: string): string {
  const plain = title.replace(/[\s\p{C}\\/:*?"<>|]+/gu, ' ').trim();
  return `${plain.slice(0, 80) || 'transcript'}.${language}.txt`;
}

function folded(text: string): string {
  return text
    .normalize('NFD')
    .replace(/\p{Mn}+/gu, '')
    .toLowerCase();
}
