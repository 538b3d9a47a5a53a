import { kept } from '../ui/kept';

const KEY = 'cinelog.positions';
const MOST = 100;
/** What was hardly begun, or is all but over, begins anew. */
const FIRST_SECONDS = 10;
const LAST_SECONDS = 15;
const LAST_SHARE = 0.95;
/** Seconds between two notes of a place. */
const STEP_SECONDS = 5;

/** Where films were left, in whole seconds, the latest last. */
type Positions = Record<string, number>;

/** Where the film was left in this browser, in seconds; 0 where it begins anew. */
export function leftAt(id: string): number {
  return read()[id] ?? 0;
}

/** Keeps the place of a film of `length` seconds; 0 while that is not known. */
export function keepPosition(id: string, seconds: number, length: number): void {
  const { [id]: before, ...others } = read();
  const over = length > 0 && seconds >= Math.min(length * LAST_SHARE, length - LAST_SECONDS);
  if (over || seconds < FIRST_SECONDS) {
    if (before !== undefined) write(others);
    return;
  }
  if (before !== undefined && Math.abs(seconds - before) < STEP_SECONDS) return;
  const kept = Object.entries(others).slice(1 - MOST);
  write(Object.fromEntries([...kept, [id, Math.floor(seconds)]]));
}

function read(): Positions {
  try {
    const stored: unknown = JSON.parse(kept.get(KEY) ?? '{}');
    if (typeof stored !== 'object' || stored === null) return {};
    return Object.fromEntries(
      Object.entries(stored).filter((entry): entry is [string, number] => entry[1] > 0),
    );
  } catch {
    return {};
  }
}

function write(positions: Positions): void {
  kept.set(KEY, JSON.stringify(positions));
}
