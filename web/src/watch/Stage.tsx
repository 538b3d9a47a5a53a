import { useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';

import type { Video } from '../api/models';
import { queries } from '../api/queries';
import { countView } from '../api/videos';
import { Player } from '../player/Player';
import { firstViewOfSession } from './views';

const WIDE = 16 / 9;

/** The player with what the API knows about the film. */
export function Stage({ video }: { video: Video }) {
  const client = useQueryClient();
  const { id } = video;
  const onWatched = useCallback(() => {
    if (!firstViewOfSession(id)) return;
    countView(id).then(
      (counted) => client.setQueryData(queries.video(id).queryKey, counted),
      // An uncounted view is no reason to disturb someone who is watching.
      () => undefined,
    );
  }, [client, id]);
  return (
    <Player
      src={video.video}
      kind="film"
      title={video.title}
      poster={video.thumbnail}
      storyboardUrl={video.storyboard ?? null}
      aspectRatio={video.width && video.height ? video.width / video.height : WIDE}
      knownDuration={(video.duration_ms ?? 0) / 1000}
      onWatched={onWatched}
    />
  );
}
