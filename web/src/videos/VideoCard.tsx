import { Link } from 'react-router';

import type { Video } from '../api/models';
import { formatViews } from '../format/count';
import { Ago } from '../ui/Ago';
import { Thumbnail } from './Thumbnail';
import { useHoverPreview } from './useHoverPreview';

interface VideoCardProps {
  video: Video;
  showOwner?: boolean;
  /** The level that fits the page's outline. */
  heading?: 'h2' | 'h3';
}

/** One video in a list. The title is the link; its area covers the whole card. */
export function VideoCard({ video, showOwner = true, heading: Heading = 'h2' }: VideoCardProps) {
  const { playing, handlers } = useHoverPreview();
  return (
    <article className="group relative" {...handlers}>
      <Thumbnail video={video} playing={playing} />
      <Heading dir="auto" className="mt-3 line-clamp-2 text-[1.0625rem] leading-snug font-semibold">
        <Link
          to={`/watch/${video.id}`}
          className="rounded-sm decoration-accent decoration-2 underline-offset-4 group-hover:underline after:absolute after:inset-0"
        >
          {video.title}
        </Link>
      </Heading>
      <VideoFacts video={video} showOwner={showOwner} />
    </article>
  );
}

export function VideoFacts({ video, showOwner }: { video: Video; showOwner: boolean }) {
  return (
    <p className="mt-1 flex flex-wrap gap-x-1.5 text-sm text-muted">
      {showOwner && video.username && (
        <>
          <Link
            to={`/u/${encodeURIComponent(video.username)}`}
            className="relative z-10 max-w-40 rounded-sm font-medium after:absolute after:inset-x-0 after:-inset-y-3 hover:text-ink hover:underline"
          >
            <span className="block truncate">{video.username}</span>
          </Link>
          <span aria-hidden="true">·</span>
        </>
      )}
      <span>{formatViews(video.views)}</span>
      <span aria-hidden="true">·</span>
      <Ago iso={video.CreatedAt} />
    </p>
  );
}
