/** A text of captions and when it is shown, in seconds. */
export interface Cue {
  start: number;
  end: number;
  /** Lines with the few tags that the service keeps. */
  text: string;
}

/** A stretch of a cue's text with its styles. */
export interface Run {
  text: string;
  tags: readonly string[];
}

const TIMING = /^(\d{2,3}):(\d{2}):(\d{2})\.(\d{3}) --> (\d{2,3}):(\d{2}):(\d{2})\.(\d{3})/;
const TAG = /<(\/?)(b|i|u|ruby|rt|v)(?: [^<>]*)?>/g;
const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' };

/** Reads WebVTT as the service writes it; what is anything else is left out. */
export function parseCues(file: string): Cue[] {
  return file.split('\n\n').flatMap((block) => {
    const [first = '', ...lines] = block.trim().split('\n');
    const timing = TIMING.exec(first);
    if (!timing) return [];
    return [{ start: secondsOf(timing, 1), end: secondsOf(timing, 5), text: lines.join('\n') }];
  });
}

function secondsOf(match: RegExpExecArray, first: number): number {
  const part = (offset: number) => Number(match[first + offset] ?? 0);
  return part(0) * 3600 + part(1) * 60 + part(2) + part(3) / 1000;
}

/** The cues of a moment. */
export function cuesAt(cues: readonly Cue[], seconds: number): Cue[] {
  return cues.filter((cue) => cue.start <= seconds && seconds < cue.end);
}

/** A cue's text by its styles. */
export function runsOf(text: string): Run[] {
  const runs: Run[] = [];
  let tags: readonly string[] = [];
  let from = 0;
  const add = (until: number) => {
    const plain = decoded(text.slice(from, until));
    if (plain) runs.push({ text: plain, tags });
  };
  for (const found of text.matchAll(TAG)) {
    const [whole, closing, name = ''] = found;
    add(found.index);
    from = found.index + whole.length;
    tags = closing ? tags.slice(0, tags.lastIndexOf(name)) : [...tags, name];
  }
  add(text.length);
  return runs;
}

/** What is read of a cue. */
export function plainText(text: string): string {
  return runsOf(text)
    .map((run) => run.text)
    .join('');
}

function decoded(text: string): string {
  return text.replace(/&(?:amp|lt|gt);/g, (entity) => ENTITIES[entity] ?? entity);
}
