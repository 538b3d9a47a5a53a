import { useQuery } from '@tanstack/react-query';

import { errorFromBody } from '../api/errors';
import { parseStoryboard, type StoryboardTile } from './storyboard';

const NONE: readonly StoryboardTile[] = [];

/** The storyboard's tiles; none while it loads, if there is none or if it can't be had. */
export function useStoryboard(url: string | null): readonly StoryboardTile[] {
  const { data } = useQuery({
    queryKey: ['storyboard', url],
    queryFn: async ({ signal }) => {
      if (url === null) return [];
      const response = await fetch(url, { signal });
      if (!response.ok) throw errorFromBody(response.status, null);
      return parseStoryboard(await response.text(), response.url);
    },
    enabled: url !== null,
    staleTime: Infinity,
  });
  return data ?? NONE;
}
