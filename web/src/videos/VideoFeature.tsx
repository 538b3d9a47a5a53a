import { Link } from 'react-router';

import type { Video } from '../api/models';
import { Thumbnail } from './Thumbnail';
import { useHoverPreview } from './useHoverPreview';
import { VideoFacts } from './VideoCard';

/** The first video of a page, large. */
export function VideoFeature({ video, newest }: { video: Video; newest: boolean }) {
  const { playing, handlers } = useHoverPreview();
  return (
    <article
      className="group relative mb-12 grid grid-cols-1 items-center gap-5 md:grid-cols-[minmax(0,1.7fr)_minmax(0,1fr)] md:gap-10"
      {...handlers}
    >
      <Thumbnail video={video} eager playing={playing} />
      <div>
        {newest && <p className="timecode text-xs text-muted">Just in</p>}
        <h2
          dir="auto"
          className="mt-2 line-clamp-3 text-2xl leading-tight font-extrabold tracking-tight md:text-4xl"
        >
          <Link
            to={`/watch/${video.id}`}
            className="rounded-sm decoration-accent decoration-[3px] underline-offset-4 group-hover:underline after:absolute after:inset-0"
          >
            {video.title}
          </Link>
        </h2>
        {video.description && (
          <p dir="auto" className="mt-3 line-clamp-3 max-w-prose text-muted">
            {video.description}
          </p>
        )}
        <div className="mt-3">
          <VideoFacts video={video} showOwner />
        </div>
      </div>
    </article>
  );
}
