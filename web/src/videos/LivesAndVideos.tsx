import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import { queries } from '../api/queries';
import { LivesNow } from './LivesNow';
import { Upcoming } from './Upcoming';
import { LoadingVideos, VideoList, type VideoListProps } from './VideoList';

/** So long the list waits for what stands above it. */
const ABOVE_MS = 500;

interface LivesAndVideosProps extends VideoListProps {
  /** Whose; null for everybody's. */
  userId: string | null;
}

/**
 * Running lives, which come and go by themselves, those to come, then all other videos. They are
 * shown together, so that nothing moves what is there already; but nothing is waited for long, or
 * twice.
 */
export function LivesAndVideos({ userId, query, ...list }: LivesAndVideosProps) {
  const running = useQuery(queries.livesNow(userId));
  const planned = useQuery(queries.upcoming(userId));
  const tried = [running, planned].every((each) => !each.isPending || each.failureCount > 0);
  const [shown, setShown] = useState(false);
  if (!shown && tried && !query.isPending) setShown(true);
  useEffect(() => {
    if (query.isPending) return;
    const timer = setTimeout(() => setShown(true), ABOVE_MS);
    return () => clearTimeout(timer);
  }, [query.isPending]);
  if (!shown) return <LoadingVideos />;
  const lives = running.data?.data ?? [];
  const above = new Set(lives.map(({ id }) => id));
  return (
    <>
      <LivesNow lives={lives} showOwner={list.showOwner ?? true} />
      <Upcoming userId={userId} />
      <VideoList query={query} {...list} leftOut={above} />
    </>
  );
}
