import { useMutation } from '@tanstack/react-query';
import { Scissors } from 'lucide-react';
import { useNavigate } from 'react-router';

import { useIntent } from '../api/intent';
import type { Clip } from '../api/models';
import { Button } from '../ui/Button';
import { useNotify } from '../ui/notifications';
import { clipLive, clipState } from './clips';

/** A live stays this long; longer ones can be asked for by the API. */
export const CLIP_SECONDS = 30;

/** Makes a video of the last seconds of a live. */
export function ClipButton({ videoId }: { videoId: string }) {
  const notify = useNotify();
  const navigate = useNavigate();
  const intent = useIntent();
  const make = useMutation({
    mutationFn: async (key: string) => clipState(await clipLive(videoId, CLIP_SECONDS, key)),
    onSettled: (_, error) => intent.settled(error),
    onSuccess: (clip: Clip) => {
      if (clip.state === 'ready') {
        notify('The clip is ready.');
        void navigate(`/watch/${clip.video_id}`);
      } else notify(clip.reason ?? 'The clip will be among the videos soon.');
    },
    onError: (error) => notify(error.message),
  });
  return (
    <Button size="sm" busy={make.isPending} onClick={() => make.mutate(intent.keyFor(videoId))}>
      <Scissors className="h-4 w-4" aria-hidden="true" />
      Clip the last {CLIP_SECONDS} s
    </Button>
  );
}
