import { useQuery } from '@tanstack/react-query';

import type { Video } from '../api/models';
import { queries } from '../api/queries';
import { isReady } from '../videos/status';

const COUNT = 6;

/** The newest other videos; none where they can't be had. */
export function useOthers(currentId: string): readonly Video[] {
  return useNewest()
    .filter((video) => video.id !== currentId)
    .slice(0, COUNT);
}

/** What is played after a video. */
export function useNext(currentId: string): Video | undefined {
  return following(useNewest(), currentId);
}

/**
 * The next older video that can be played, so that who lets them play sees each once. After one that
 * is not among the newest comes the newest; after the oldest of them comes none.
 */
export function following(newest: readonly Video[], currentId: string): Video | undefined {
  const place = newest.findIndex((video) => video.id === currentId);
  return newest.slice(place + 1).find(isReady);
}

function useNewest(): readonly Video[] {
  return useQuery(queries.latest(1)).data?.data ?? [];
}
