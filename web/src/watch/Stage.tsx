import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useCallback, useState } from 'react';

import type { Video } from '../api/models';
import { queries } from '../api/queries';
import { countView } from '../api/videos';
import type { Kind } from '../player/attachHls';
import { type Opening, Player } from '../player/Player';
import { keepPosition, leftAt } from '../player/resume';
import { startWithin } from '../player/startTime';
import { firstViewOfSession } from './views';

const WIDE = 16 / 9;

interface StageProps {
  video: Video;
  opening: Opening;
  /** Takes the whole window instead of a place in a page. */
  fill?: boolean;
  onTheatre?: () => void;
  /** What is shown when the film is over. */
  after?: ReactNode;
}

/** The player with what the API knows about the film. */
export function Stage({ video, opening, fill = false, onTheatre, after }: StageProps) {
  const client = useQueryClient();
  const { id } = video;
  const source = useSource(video);
  const length = (video.duration_ms ?? 0) / 1000;
  const onWatched = useCallback(() => {
    if (!firstViewOfSession(id)) return;
    countView(id).then(
      (counted) => client.setQueryData(queries.video(id).queryKey, counted),
      // An uncounted view is no reason to disturb someone who is watching.
      () => undefined,
    );
  }, [client, id]);
  // A player on another page begins where that page says.
  const [left] = useState(() => (fill ? 0 : leftAt(id)));
  const onPosition = useCallback(
    (seconds: number) => keepPosition(id, seconds, length),
    [id, length],
  );
  return (
    <Player
      src={source.src}
      kind={source.kind}
      title={video.title}
      by={video.username}
      poster={video.thumbnail}
      storyboardUrl={video.storyboard ?? null}
      chapters={video.chapters}
      captions={video.captions}
      aspectRatio={video.width && video.height ? video.width / video.height : WIDE}
      liveSince={source.since}
      knownDuration={length}
      opening={{ ...opening, start: startWithin(opening.start || left, length) }}
      fill={fill}
      onWatched={onWatched}
      onEnded={source.onEnded}
      onPosition={fill || source.kind === 'live' ? undefined : onPosition}
      onTheatre={onTheatre}
      after={after}
    />
  );
}

interface Source {
  src: string;
  kind: Kind;
  since: number;
  onEnded: () => void;
}

/**
 * What to play. Who watches a live sees it to its end from the playlist that it began with; then
 * the film that the live has become takes its place.
 */
function useSource(video: Video): Source {
  const running = video.live ? video.video : null;
  const [watched, setWatched] = useState(running);
  if (running !== null && running !== watched) setWatched(running);
  // Kept like the playlist: a live that has ended says no more when it began.
  const begun = Date.parse(video.live?.started_at ?? '') / 1000;
  const [since, setSince] = useState(begun || 0);
  if (begun && begun !== since) setSince(begun);
  const onEnded = useCallback(() => setWatched(null), []);
  const live = running ?? watched;
  return live === null
    ? { src: video.video, kind: 'film', since, onEnded }
    : { src: live, kind: 'live', since, onEnded };
}
