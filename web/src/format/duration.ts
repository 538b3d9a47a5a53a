/** 83_000 → "1:23", 3_723_000 → "1:02:03". Whole seconds, rounded down like a player's clock. */
export function formatClock(milliseconds: number): string {
  const total = Math.max(0, Math.floor(milliseconds / 1000));
  const seconds = String(total % 60).padStart(2, '0');
  const minutes = Math.floor(total / 60) % 60;
  const hours = Math.floor(total / 3600);
  return hours > 0
    ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}`
    : `${minutes}:${seconds}`;
}

/** The API's `duration` ("45s" or "1:30") as a clock, for when `duration_ms` is missing. */
export function clockFromText(duration: string): string {
  const seconds = /^(\d+)s$/.exec(duration)?.[1];
  return seconds === undefined ? duration : formatClock(Number(seconds) * 1000);
}

/** "1 hour 2 minutes 3 seconds", for people who listen instead of looking. */
export function spokenDuration(milliseconds: number): string {
  const total = Math.max(0, Math.floor(milliseconds / 1000));
  const parts = [
    plural(Math.floor(total / 3600), 'hour'),
    plural(Math.floor(total / 60) % 60, 'minute'),
    plural(total % 60, 'second'),
  ].filter((part) => part !== '');
  return parts.join(' ') || '0 seconds';
}

function plural(count: number, unit: string): string {
  return count === 0 ? '' : `${count} ${unit}${count === 1 ? '' : 's'}`;
}
