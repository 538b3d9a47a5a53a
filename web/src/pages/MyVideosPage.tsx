import { useQuery } from '@tanstack/react-query';
import { useSearchParams } from 'react-router';

import { queries } from '../api/queries';
import { useMe } from '../auth/AuthProvider';
import { ButtonLink } from '../ui/Button';
import { PageHeader } from '../ui/PageHeader';
import { EmptyState, ErrorState } from '../ui/states';
import { MyVideoRow } from '../videos/MyVideoRow';
import { Pagination } from '../videos/Pagination';
import { pageFromParams } from '../videos/paging';

export default function MyVideosPage() {
  const me = useMe();
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
      {me ? <MyVideos userId={me.id} /> : <RowsSkeleton />}
    </div>
  );
}

function MyVideos({ userId }: { userId: string }) {
  const [params] = useSearchParams();
  const { data, error, isPending, refetch } = useQuery(
    queries.userVideos(userId, pageFromParams(params)),
  );
  if (isPending) return <RowsSkeleton />;
  if (error) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (data.total === 0) {
    return (
      <EmptyState
        title="You haven’t uploaded anything yet"
        action={
          <ButtonLink to="/upload" variant="primary">
            Upload a video
          </ButtonLink>
        }
      >
        Your videos and how far their processing is will be here.
      </EmptyState>
    );
  }
  return (
    <>
      <ul className="divide-y divide-line border-y border-line">
        {data.data.map((video) => (
          <li key={video.id}>
            <MyVideoRow video={video} />
          </li>
        ))}
      </ul>
      <Pagination page={data.page} pageSize={data.page_size} total={data.total} />
    </>
  );
}

function RowsSkeleton() {
  return (
    <div role="status" aria-label="Loading your videos" className="space-y-4">
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
