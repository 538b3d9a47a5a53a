import { useQuery } from '@tanstack/react-query';
import { type RefObject, useEffect, useState } from 'react';

import { errorFromBody } from '../api/errors';
import { type Cue, cuesAt, parseCues } from './cues';

const NONE: readonly Cue[] = [];
const LOOK_MS = 100;

/** The cues of a file; none while it loads, or if it can't be had. */
export function useCues(url: string | null): readonly Cue[] {
  const { data } = useQuery({
    // Addresses of private files change with their grants, the files do not.
    queryKey: ['cues', url?.replace(/^.*\/media\/[^/]+\//, '') ?? null],
    queryFn: async ({ signal }) => {
      if (url === null) return [];
      const response = await fetch(url, { signal });
      if (!response.ok) throw errorFromBody(response.status, null);
      return parseCues(await response.text());
    },
    enabled: url !== null,
    staleTime: Infinity,
  });
  return data ?? NONE;
}

/** The cues to show now. They change more often than the browser tells the time. */
export function useShownCues(
  video: RefObject<HTMLVideoElement | null>,
  cues: readonly Cue[],
): readonly Cue[] {
  const [shown, setShown] = useState<readonly Cue[]>(NONE);
  useEffect(() => {
    if (cues.length === 0) return;
    const look = () => {
      const now = cuesAt(cues, video.current?.currentTime ?? 0);
      setShown((before) =>
        before.length === now.length && before.every((cue, index) => cue === now[index])
          ? before
          : now,
      );
    };
    const timer = setInterval(look, LOOK_MS);
    return () => {
      clearInterval(timer);
      setShown(NONE);
    };
  }, [video, cues]);
  return shown;
}
