import { useQuery } from '@tanstack/react-query';

import { queries } from '../api/queries';
import { LivesNow } from './LivesNow';
import { Upcoming } from './Upcoming';
import { LoadingVideos, VideoList, type VideoListProps } from './VideoList';

interface LivesAndVideosProps extends VideoListProps {
  /** Whose; null for everybody's. */
  userId: string | null;
}

/**
 * Running lives, which come and go by themselves, those to come, then all other videos. They are
 * shown together, so that nothing moves what is there already.
 */
export function LivesAndVideos({ userId, query, ...list }: LivesAndVideosProps) {
  const running = useQuery(queries.livesNow(userId));
  const planned = useQuery(queries.upcoming(userId));
  const waits = [running, planned].some((each) => each.isPending && each.failureCount === 0);
  if (query.isPending || waits) return <LoadingVideos />;
  const lives = running.data?.data ?? [];
  const shown = new Set(lives.map(({ id }) => id));
  return (
    <>
      <LivesNow lives={lives} showOwner={list.showOwner ?? true} />
      <Upcoming userId={userId} />
      <VideoList query={query} {...list} leftOut={shown} />
    </>
  );
}
