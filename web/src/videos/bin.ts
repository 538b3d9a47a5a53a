import type { Video } from '../api/models';

const DAY_MS = 24 * 3600 * 1000;

/** Whether it goes to the bin: a live that is running does not, nor does anything without one. */
export function isBinned({ live }: Video, days: number): boolean {
  return days > 0 && (live === null || live.ended);
}

/** "12 days left", "Deleted today". */
export function timeLeft(deleteAt: string, now: number): string {
  const days = Math.ceil((Date.parse(deleteAt) - now) / DAY_MS);
  if (days <= 1) return 'Deleted within a day';
  return `${days} days left`;
}
