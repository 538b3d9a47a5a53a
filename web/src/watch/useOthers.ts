import { useQuery } from '@tanstack/react-query';

import type { Video } from '../api/models';
import { queries } from '../api/queries';

const COUNT = 6;

/** The newest other videos; none where they can't be had. */
export function useOthers(currentId: string): readonly Video[] {
  const { data } = useQuery(queries.latest(1));
  return data?.data.filter((video) => video.id !== currentId).slice(0, COUNT) ?? [];
}
