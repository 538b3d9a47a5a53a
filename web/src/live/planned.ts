import { formatClock } from '../format/duration';
import { timeAgo } from '../format/time';

const DAY_MS = 24 * 3_600_000;
/** From so long before its time on, a live may begin. */
const SOON_MS = 15 * 60_000;
const OFTEN_MS = 5_000;
const SELDOM_MS = 60_000;
/** The video of a live that begins is there within some seconds, or somebody keeps it private. */
const BEGINNING_MS = 60_000;
const BEGINNING_OFTEN_MS = 2_000;
const BEGUN_SELDOM_MS = 30_000;
const GIVEN_UP_MS = 10 * 60_000;

const moment = new Intl.DateTimeFormat('en', {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  hour: 'numeric',
  minute: '2-digit',
  timeZoneName: 'short',
});

/** The time in the reader's time zone, and which one that is. */
export function plannedTime(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? '' : moment.format(at);
}

/** "3 days 4:05:06" before its time; null from then on. */
export function countdown(iso: string, nowMs: number): string | null {
  const left = Date.parse(iso) - nowMs;
  if (!(left > 0)) return null;
  const days = Math.floor(left / DAY_MS);
  const clock = formatClock(left % DAY_MS);
  if (days === 0) return clock;
  return `${days} day${days === 1 ? '' : 's'} ${clock}`;
}

/** What is said of a live whose time has come, and which has not begun. */
export function lateWords(iso: string, nowMs: number): string {
  const ago = timeAgo(iso, nowMs);
  return ago === 'just now'
    ? 'It begins any moment.'
    : `It is late: it was to begin ${ago}. This page changes by itself when it begins.`;
}

/** How soon to look again whether it has begun, or has another time. */
export function lookAgainMs(iso: string, nowMs: number): number {
  return Date.parse(iso) - nowMs < SOON_MS ? OFTEN_MS : SELDOM_MS;
}

/** How soon to ask again for the video of a live that has begun; false where that is of no use. */
export function askAgainMs(waitedMs: number): number | false {
  if (waitedMs >= GIVEN_UP_MS) return false;
  return waitedMs < BEGINNING_MS ? BEGINNING_OFTEN_MS : BEGUN_SELDOM_MS;
}
