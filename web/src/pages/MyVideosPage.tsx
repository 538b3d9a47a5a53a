import { useQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'react-router';

import type { Page, Video } from '../api/models';
import { queries } from '../api/queries';
import { totalOf } from '../format/count';
import { ButtonLink } from '../ui/ButtonLink';
import { cx } from '../ui/cx';
import { PageHeader } from '../ui/PageHeader';
import { EmptyState, ErrorState } from '../ui/states';
import { BulkBar } from '../videos/BulkBar';
import { MyVideoRow } from '../videos/MyVideoRow';
import { isNarrowed, ownListFrom } from '../videos/ownList';
import { OwnListControls } from '../videos/OwnListControls';
import { Pagination } from '../videos/Pagination';
import { pageFromParams } from '../videos/paging';
import { useSelection } from '../videos/selection';

export default function MyVideosPage() {
  return (
    <div className="page max-w-5xl">
      <PageHeader
        title="My videos"
        action={
          <div className="flex gap-3">
            <ButtonLink to="/live/now">Go live</ButtonLink>
            <ButtonLink to="/upload" variant="primary">
              Upload
            </ButtonLink>
          </div>
        }
      />
      <MyVideos />
    </div>
  );
}

function MyVideos() {
  const [params] = useSearchParams();
  const list = ownListFrom(params);
  const { data, error, isPending, isPlaceholderData, refetch } = useQuery(
    queries.ownVideos(list, pageFromParams(params)),
  );
  if (data?.total === 0 && !isNarrowed(list)) return <NoVideos />;
  return (
    <>
      <OwnListControls />
      {isPending ? (
        <RowsSkeleton />
      ) : error ? (
        <ErrorState error={error} onRetry={() => void refetch()} />
      ) : (
        <div
          aria-busy={isPlaceholderData}
          className={cx('transition-opacity', isPlaceholderData && 'opacity-60')}
        >
          <Rows key={params.toString()} page={data} />
        </div>
      )}
    </>
  );
}

function Rows({ page }: { page: Page<Video> }) {
  const selection = useSelection(page.data.map(({ id }) => id));
  if (page.data.length === 0) {
    return page.total === 0 ? (
      <EmptyState title="None of your videos match">
        <Link to="?" className="text-link underline underline-offset-4">
          Show all of them
        </Link>
      </EmptyState>
    ) : (
      <EmptyState title="There is no such page">
        <Link to="?" className="text-link underline underline-offset-4">
          Go to the first page
        </Link>
      </EmptyState>
    );
  }
  return (
    <>
      <BulkBar videos={page.data} selection={selection}>
        {totalOf(page, 'video')}
      </BulkBar>
      <ul className="divide-y divide-line border-y border-line">
        {page.data.map((video) => (
          <li key={video.id}>
            <MyVideoRow
              video={video}
              chosen={selection.has(video.id)}
              onChoose={(range) => selection.press(video.id, range)}
            />
          </li>
        ))}
      </ul>
      <Pagination page={page.page} pageSize={page.page_size} total={page.total} />
    </>
  );
}

function NoVideos() {
  return (
    <EmptyState
      title="You haven’t uploaded anything yet"
      action={
        <>
          <ButtonLink to="/videos/bin">Bin</ButtonLink>
          <ButtonLink to="/upload" variant="primary">
            Upload a video
          </ButtonLink>
        </>
      }
    >
      Your videos and how far their processing is will be here.
    </EmptyState>
  );
}

function RowsSkeleton() {
  return (
    <div role="status" aria-label="Loading your videos" className="space-y-4 pt-14">
      {[0, 1, 2, 3].map((row) => (
        <div key={row} className="flex gap-5">
          <div className="aspect-video w-36 shimmer rounded-frame md:w-48" />
          <div className="flex-1 py-1">
            <div className="h-5 w-3/5 shimmer rounded" />
            <div className="mt-3 h-4 w-1/4 shimmer rounded" />
          </div>
        </div>
      ))}
    </div>
  );
}
