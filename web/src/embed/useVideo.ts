import { useEffect, useState } from 'react';

import { publicApi, unwrap } from '../api/client';
import { ApiError } from '../api/errors';
import type { Video } from '../api/models';
import { isFinished } from '../videos/status';

const RECHECK_MS = 4_000;

interface Shown {
  video: Video | null;
  /** Why there is nothing to see, in words. */
  problem: string | null;
}

/** The video, as anybody sees it; asked for again until nothing is still to come. */
export function useVideo(id: string): Shown {
  const [shown, setShown] = useState<Shown>({ video: null, problem: null });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let left = false;
    const again = () => {
      if (!left) timer = setTimeout(ask, RECHECK_MS);
    };
    const ask = () => {
      const path = { params: { path: { video_id: id } } };
      unwrap(publicApi.GET('/api/v1/streaming/id/{video_id}', path)).then(
        (video) => {
          if (left) return;
          setShown({ video, problem: null });
          if (!isFinished(video)) again();
        },
        (error: unknown) => {
          const gone = error instanceof ApiError && !error.isTemporary;
          setShown(({ video }) => ({ video, problem: wordsFor(gone) }));
          if (!gone) again();
        },
      );
    };
    ask();
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [id]);
  return shown;
}

function wordsFor(gone: boolean): string {
  return gone
    ? 'This video isn’t here. It may have been deleted, or it is private.'
    : 'Cinelog can’t be reached. It is tried again.';
}
