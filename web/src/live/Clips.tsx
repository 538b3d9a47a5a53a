import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';

import type { Clip, LiveStream } from '../api/models';
import { queries } from '../api/queries';
import { InlineError } from '../ui/states';
import { ClipButton } from './ClipButton';
import { clipsOf, setClipsBy } from './clips';

const POLL_MS = 5_000;

/** Clips of a stream's lives, and who may make them. */
export function Clips({ stream }: { stream: LiveStream }) {
  const client = useQueryClient();
  const { data: clips, error } = useQuery({
    queryKey: ['clips', stream.id],
    queryFn: () => clipsOf(stream.id),
    refetchInterval: POLL_MS,
  });
  const allow = useMutation({
    mutationFn: (everyone: boolean) => setClipsBy(stream.id, everyone ? 'everyone' : 'owner'),
    onSettled: () => client.invalidateQueries({ queryKey: queries.liveStream(stream.id).queryKey }),
  });
  return (
    <div className="space-y-4">
      {stream.video_id !== null && <ClipButton videoId={stream.video_id} />}
      <label className="flex items-center gap-3">
        <input
          type="checkbox"
          checked={stream.clips_by === 'everyone'}
          disabled={allow.isPending}
          onChange={(event) => allow.mutate(event.target.checked)}
        />
        Viewers may make clips. They are among your videos, and nobody sees more than of the live.
      </label>
      <InlineError error={error ?? allow.error} />
      {clips && clips.length > 0 && (
        <ul className="space-y-2">
          {clips.map((clip) => (
            <li key={clip.video_id} className="flex justify-between gap-4">
              {clip.state === 'ready' ? (
                <Link to={`/watch/${clip.video_id}`} dir="auto" className="min-w-0 underline">
                  {clip.title}
                </Link>
              ) : (
                <span dir="auto" className="min-w-0">
                  {clip.title}
                </span>
              )}
              <span className="shrink-0 text-muted">{clipWords(clip)}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function clipWords(clip: Clip): string {
  if (clip.state === 'waiting') return 'being made';
  if (clip.state === 'failed') return clip.reason ?? 'could not be made';
  return `${((clip.duration_ms ?? 0) / 1000).toFixed(1)} s`;
}
