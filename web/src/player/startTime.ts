const PARTS = /^(?:(\d{1,3})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s?)?$/;
const CLOCK = /^(?:(\d{1,3}):)?(\d{1,5}):(\d{1,2})$/;

/** Where a link begins, in seconds: "90", "90s", "1m30s", "1:30"; 0 for anything else. */
export function parseStart(text: string | null): number {
  const [, hours, minutes, seconds] = PARTS.exec(text ?? '') ?? CLOCK.exec(text ?? '') ?? [];
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
}

/** The start as it is written into links. */
export function startQuery(seconds: number): string {
  return seconds > 0 ? `?t=${Math.floor(seconds)}` : '';
}

/** A start behind the end is none. `length` in seconds; 0 while it is not known. */
export function startWithin(seconds: number, length: number): number {
  return length > 0 && seconds >= length ? 0 : seconds;
}
