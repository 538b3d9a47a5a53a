import { useQuery } from '@tanstack/react-query';

import { queries } from '../api/queries';
import { VideoCard } from './VideoCard';
import { GRID } from './VideoGridSkeleton';

interface LivesNowProps {
  /** Whose; null for everybody's. */
  userId: string | null;
  showOwner?: boolean;
}

/** Running lives, before all other videos; they come and go by themselves. */
export function LivesNow({ userId, showOwner = true }: LivesNowProps) {
  const { data } = useQuery(queries.livesNow(userId));
  const lives = data?.data ?? [];
  if (lives.length === 0) return null;
  return (
    <section aria-labelledby="lives-now" className="mb-12">
      <h2 id="lives-now" className="mb-4 text-xl font-extrabold tracking-tight">
        Live now
      </h2>
      <ul className={GRID}>
        {lives.map((video) => (
          <li key={video.id}>
            <VideoCard video={video} showOwner={showOwner} heading="h3" />
          </li>
        ))}
      </ul>
    </section>
  );
}
