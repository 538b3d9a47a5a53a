import type { Video } from '../api/models';
import { VideoCard } from './VideoCard';
import { GRID } from './VideoGridSkeleton';

/** Running lives, before all other videos. */
export function LivesNow({ lives, showOwner }: { lives: readonly Video[]; showOwner: boolean }) {
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
