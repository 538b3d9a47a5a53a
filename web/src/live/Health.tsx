import { useQuery } from '@tanstack/react-query';

import type { LiveHealth } from '../api/models';
import { queries } from '../api/queries';
import { formatCount } from '../format/count';
import { InlineError } from '../ui/states';

const POLL_MS = 2_000;
/** Longer pauses between key pictures make a live late and slow to start. */
const LONG_KEY_FRAME_SECONDS = 4;
const LATE_MS = 3_000;

/** What arrives from the streamer's program, and what could be better. */
export function Health({ streamId }: { streamId: string }) {
  const { data: health, error } = useQuery({
    ...queries.liveHealth(streamId),
    refetchInterval: POLL_MS,
  });
  if (error) return <InlineError error={error} />;
  if (!health) return <div className="h-24 shimmer rounded-lg" />;
  return (
    <>
      <dl className="grid gap-x-8 gap-y-3 sm:grid-cols-2">
        {facts(health).map(([name, value]) => (
          <div key={name} className="flex justify-between gap-4 border-b border-line pb-2">
            <dt className="text-muted">{name}</dt>
            <dd className="font-semibold tabular-nums">{value}</dd>
          </div>
        ))}
      </dl>
      <ul role="status" className="mt-4 space-y-2">
        {advice(health).map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </>
  );
}

function facts(health: LiveHealth): [string, string][] {
  const known = <T,>(value: T | null | undefined, show: (value: T) => string) =>
    value == null ? '–' : show(value);
  return [
    ['Watching now', known(health.viewers, formatCount)],
    ['Picture', known(health.width, (width) => `${width} × ${health.height ?? 0}`)],
    ['Frames per second', known(health.frame_rate, (rate) => rate.toFixed(1))],
    ['Bit rate', known(health.bit_rate, (bits) => `${(bits / 1e6).toFixed(1)} Mbit/s`)],
    ['Key frame every', known(health.key_frame_seconds, (seconds) => `${seconds.toFixed(1)} s`)],
  ];
}

/** Sentences for what the streamer can change; one that says so where nothing is wrong. */
export function advice(health: LiveHealth): string[] {
  const lines: string[] = [];
  if ((health.key_frame_seconds ?? 0) > LONG_KEY_FRAME_SECONDS) {
    lines.push('Set the keyframe interval to 2 s: viewers see you sooner.');
  }
  if ((health.behind_ms ?? 0) > LATE_MS) {
    lines.push('The server is behind with smaller sizes; the original plays on.');
  }
  if (health.audio_codec == null) lines.push('No sound arrives.');
  return lines.length > 0 ? lines : ['Everything looks good.'];
}
