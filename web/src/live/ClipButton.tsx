import { useMutation } from '@tanstack/react-query';
import { Scissors } from 'lucide-react';
import { useEffect, useRef } from 'react';
import { useNavigate } from 'react-router';

import { useIntent } from '../api/intent';
import type { Clip } from '../api/models';
import { Button } from '../ui/Button';
import { useNotify } from '../ui/notifications';
import { clipLive, clipState } from './clips';

/** A live stays this long; longer ones can be asked for by the API. */
export const CLIP_SECONDS = 30;

/** Who presses again later than that wants another moment, also after a lost answer. */
const SAME_MOMENT_MS = 10_000;

/** Makes a video of the last seconds of a live. */
export function ClipButton({ videoId }: { videoId: string }) {
  const notify = useNotify();
  const navigate = useNavigate();
  const intent = useIntent(SAME_MOMENT_MS);
  const complain = (error: Error) => notify(error.message);
  const leaving = useRef(new AbortController());
  useEffect(() => {
    leaving.current = new AbortController();
    return () => leaving.current.abort();
  }, []);
  const follow = useMutation({
    mutationFn: (asked: Clip) => clipState(asked, leaving.current.signal),
    onSuccess: (clip) => {
      if (clip.state === 'ready') {
        notify('The clip is ready.');
        void navigate(`/watch/${clip.video_id}`);
      } else notify(clip.reason ?? 'The clip will be among the videos soon.');
    },
    onError: complain,
  });
  const ask = useMutation({
    mutationFn: (key: string) => clipLive(videoId, CLIP_SECONDS, key),
    onSettled: (_, error) => intent.settled(error),
    onSuccess: (asked) => follow.mutate(asked),
    onError: complain,
  });
  return (
    <Button
      size="sm"
      busy={ask.isPending || follow.isPending}
      onClick={() => ask.mutate(intent.keyFor(videoId))}
    >
      <Scissors className="h-4 w-4" aria-hidden="true" />
      Clip the last {CLIP_SECONDS} s
    </Button>
  );
}
