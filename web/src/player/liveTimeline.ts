/** A live by the clock, in seconds since 1970: what can be sought, and what is shown. */
export interface LiveTimeline {
  from: number;
  until: number;
  now: number;
}

/** The playlist of a live that reaches further back than the one of its newest parts. */
export interface Dvr {
  url: string;
  seconds: number;
}

/** Seconds behind the newest picture within which a viewer of a live counts as up to date. */
const EDGE_SLACK_SECONDS = 3;
/** A moment this close to the beginning of a list is gone before it is loaded, or soon after. */
export const MARGIN_SECONDS = 12;

/** What a multivariant playlist at `base` says of going back; `value` is of its session data. */
export function dvrOf(value: (id: string) => string | undefined, base: string): Dvr | null {
  const uri = value('cinelog.dvr.playlist');
  const seconds = Number(value('cinelog.dvr.seconds'));
  return uri && seconds > 0 ? { url: new URL(uri, base).href, seconds } : null;
}

/** Whether a viewer at `seconds` sees the newest parts of a live whose edge is at `edge`. */
export function isAtEdge(seconds: number, edge: number | null): boolean {
  return edge === null || seconds >= edge - EDGE_SLACK_SECONDS;
}

export type Way = 'edge' | 'back' | 'here';

/**
 * How to get to a moment: by the playlist of the edge, by the one that reaches back, or within the
 * one that plays, which has what lies between `first` and its end.
 */
export function wayTo(
  moment: number,
  at: { list: 'edge' | 'back'; first: number; until: number; dvr: boolean },
): Way {
  if (isAtEdge(moment, at.until)) return at.list === 'edge' ? 'here' : 'edge';
  const gone = moment < at.first + MARGIN_SECONDS;
  return at.list === 'edge' && at.dvr && gone ? 'back' : 'here';
}

export interface Fragment {
  start: number;
  duration: number;
  programDateTime: number | null;
}

/** When a list begins, in seconds since 1970; 0 where that is not known. */
export function beginningOf(fragments: readonly Fragment[]): number {
  return (fragments[0]?.programDateTime ?? 0) / 1000;
}

/** Where a moment is in a list, in seconds of the player; its nearer end for one outside. */
export function positionOf(moment: number, fragments: readonly Fragment[]): number {
  let position = fragments[0]?.start ?? 0;
  for (const { start, duration, programDateTime } of fragments) {
    if (programDateTime === null || programDateTime / 1000 > moment) break;
    position = start + Math.min(moment - programDateTime / 1000, duration);
  }
  return position;
}
