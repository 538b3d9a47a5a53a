import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'react-router';

import type { Page, Video } from '../api/models';
import { cx } from '../ui/cx';
import { EmptyState, ErrorState } from '../ui/states';
import { Pagination } from './Pagination';
import { VideoCard } from './VideoCard';
import { VideoFeature } from './VideoFeature';
import { GRID, VideoGridSkeleton } from './VideoGridSkeleton';

export interface VideoListProps {
  query: UseQueryResult<Page<Video>>;
  empty: ReactNode;
  /** Shows the first video large. */
  featured?: boolean;
  showOwner?: boolean;
  /** What is shown elsewhere on the page. */
  leftOut?: ReadonlySet<string>;
}

export function LoadingVideos() {
  return (
    <div role="status" aria-label="Loading videos">
      <VideoGridSkeleton />
    </div>
  );
}

const NOTHING: ReadonlySet<string> = new Set();

/** A page of videos in every state it can be in. */
export function VideoList({
  query,
  empty,
  featured = false,
  showOwner = true,
  leftOut = NOTHING,
}: VideoListProps) {
  const { data: page, error, isPending, isPlaceholderData, refetch } = query;
  if (isPending) return <LoadingVideos />;
  if (error) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (page.total === 0) return empty;
  if (page.data.length === 0) {
    return (
      <EmptyState title="There is no such page">
        <Link to="?" className="text-link underline underline-offset-4">
          Go to the first page
        </Link>
      </EmptyState>
    );
  }
  const videos = page.data.filter(({ id }) => !leftOut.has(id));
  const [first, ...rest] = videos;
  const lead = featured ? first : undefined;
  return (
    <div
      aria-busy={isPlaceholderData}
      className={cx('transition-opacity', isPlaceholderData && 'opacity-60')}
    >
      {lead && <VideoFeature video={lead} newest={page.page === 1} />}
      <ul className={GRID}>
        {(lead ? rest : videos).map((video) => (
          <li key={video.id}>
            <VideoCard video={video} showOwner={showOwner} />
          </li>
        ))}
      </ul>
      <Pagination page={page.page} pageSize={page.page_size} total={page.total} />
    </div>
  );
}
