import type { LiveFacts } from '../api/models';
import { formatCount } from '../format/count';
import { Ago } from '../ui/Ago';

/** Whether a live runs, or waits for its streamer, in words. */
export function LiveState({ live }: { live: LiveFacts }) {
  return (
    <div className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-2">
      <p role="status" className="flex flex-wrap items-center gap-2 font-semibold">
        <span className="rounded-[5px] bg-live px-1.5 py-0.5 text-xs font-bold text-white">
          LIVE
        </span>
        {live.connected ? (
          live.started_at !== null && (
            <span>
              Started <Ago iso={live.started_at} />
            </span>
          )
        ) : (
          <span>The connection to the streamer is lost. It goes on here when they are back.</span>
        )}
      </p>
      {/* Outside the status: a number that changes all the time is not read out. */}
      {live.viewers !== null && (
        <span className="text-muted tabular-nums">{formatCount(live.viewers)} watching</span>
      )}
    </div>
  );
}
