import { formatClock, spokenDuration } from '../format/duration';
import { cx } from '../ui/cx';
import { isAtEdge, type LiveTimeline } from './liveTimeline';

interface LivePositionProps {
  timeline: LiveTimeline;
  onSeek: (moment: number) => void;
}

/** How far behind the live a viewer is, and the way back to it. */
export function LivePosition({ timeline, onSeek }: LivePositionProps) {
  const { now, until } = timeline;
  const current = isAtEdge(now, until);
  const behind = Math.max(0, until - now) * 1000;
  return (
    <p className="flex items-center gap-2 px-2 text-xs whitespace-nowrap md:text-sm">
      <button
        type="button"
        disabled={current}
        aria-label={current ? 'Live' : 'Go to live'}
        onClick={() => onSeek(until)}
        className="inline-flex min-h-9 items-center gap-1.5 rounded-md px-1.5 font-bold enabled:hover:bg-white/15 pointer-coarse:min-h-11"
      >
        <span
          aria-hidden="true"
          className={cx('h-2 w-2 rounded-full', current ? 'bg-live' : 'bg-white/60')}
        />
        Live
      </button>
      {!current && (
        <span className="timecode text-white/80">
          <span aria-hidden="true">−{formatClock(behind)}</span>
          <span className="sr-only">{spokenDuration(behind)} behind</span>
        </span>
      )}
    </p>
  );
}
