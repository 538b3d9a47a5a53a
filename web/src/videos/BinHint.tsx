import { useQuery } from '@tanstack/react-query';

import type { Video } from '../api/models';
import { queries } from '../api/queries';
import { isBinned } from './bin';

/** Before a deletion: whether it can be undone. */
export function BinHint({ videos }: { videos: readonly Video[] }) {
  const { data } = useQuery(queries.bin(1));
  if (!data) return null;
  const { days } = data;
  if (videos.every((video) => isBinned(video, days))) {
    return (
      <>
        You can take {videos.length === 1 ? 'it' : 'them'} back for {inDays(days)}.
      </>
    );
  }
  if (videos.some((video) => isBinned(video, days))) {
    return <>You can take them back for {inDays(days)}, but not what is live now.</>;
  }
  return <>This can’t be undone.</>;
}

function inDays(days: number): string {
  return days === 1 ? 'a day' : `${days} days`;
}
