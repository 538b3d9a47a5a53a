import type { Visibility } from '../api/models';

/** Who can see a video; `publishAt` (ISO 8601) is when a draft becomes public by itself. */
export interface Publication {
  visibility: Visibility;
  publishAt: string | null;
}

const LONGEST_WAIT_MS = 366 * 24 * 3600 * 1000;

/** What is wrong with the time, in words; null if nothing is. */
export function publishAtProblem(publication: Publication, now: number): string | null {
  if (publication.visibility !== 'draft' || publication.publishAt === null) return null;
  return waitProblem(publication.publishAt, now);
}

/** What is wrong with a time that is to come, in words; null if nothing is. */
export function waitProblem(at: string, now: number): string | null {
  const wait = Date.parse(at) - now;
  if (wait <= 0) return 'Choose a time in the future.';
  return wait > LONGEST_WAIT_MS ? 'Choose a time within a year.' : null;
}

/** A time as `<input type="datetime-local">` holds it: local, without an offset. */
export function toLocalInput(iso: string | null): string {
  if (iso === null) return '';
  const at = new Date(iso);
  const two = (part: number) => String(part).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

export function fromLocalInput(local: string): string | null {
  const at = new Date(local);
  return local === '' || Number.isNaN(at.getTime()) ? null : at.toISOString();
}
