import { formatBytes } from '../format/size';
import { sentBytes, sentPercent, type UploadItem } from './machine';
import { timeLeft } from './speed';

/** The bytes on their way: a bar, numbers, and an announcement every quarter. */
export function SendProgress({ item, compact = false }: { item: UploadItem; compact?: boolean }) {
  const { state } = item;
  const sent = sentBytes(item);
  const percent = sentPercent(item);
  const quarter = Math.floor(percent / 25) * 25;
  const done = percent === 100;
  return (
    <div>
      <div className="mb-2 flex items-baseline justify-between gap-4 text-sm">
        <span className="font-medium">{sendHeadline(item, done)}</span>
        <span className="timecode text-muted">{Math.floor(percent)}%</span>
      </div>
      <div
        role="progressbar"
        aria-label={`Upload of ${item.details.title}`}
        aria-valuenow={Math.floor(percent)}
        aria-valuemin={0}
        aria-valuemax={100}
        className="h-1.5 overflow-hidden rounded-full bg-line"
      >
        <div
          className="h-full rounded-full bg-ink transition-[width] duration-300"
          style={{ width: `${percent}%` }}
        />
      </div>
      {state.phase === 'sending' && !compact && (
        <p className="mt-2 timecode text-xs text-muted">
          {formatBytes(sent)} of {formatBytes(item.file.size)}
          {state.bytesPerSecond > 0 && ` · ${formatBytes(state.bytesPerSecond)}/s`}
          {state.bytesPerSecond > 0 &&
            !done &&
            ` · ${timeLeft(item.file.size - sent, state.bytesPerSecond)}`}
        </p>
      )}
      <span role="status" className="sr-only">
        {state.phase === 'sending' && state.stalled
          ? `${item.details.title}: the connection is gone, waiting for it`
          : quarter > 0 && !done
            ? `${item.details.title}: ${quarter} percent uploaded`
            : ''}
      </span>
    </div>
  );
}

function sendHeadline({ state }: UploadItem, done: boolean): string {
  if (state.phase === 'queued') return 'Waiting for the uploads before it';
  if (state.phase === 'paused') return 'Paused: what has arrived is kept';
  if (state.phase === 'waiting') return 'Almost there: say what it is, then press Upload';
  if (state.phase === 'sending' && state.stalled) return 'Connection lost, it goes on by itself';
  return done ? 'Storing safely' : 'Uploading';
}
