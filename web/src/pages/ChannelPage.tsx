import { useQuery } from '@tanstack/react-query';
import { useParams, useSearchParams } from 'react-router';

import { ApiError } from '../api/errors';
import type { User } from '../api/models';
import { queries } from '../api/queries';
import { useSession } from '../auth/AuthProvider';
import { totalOf } from '../format/count';
import { Avatar } from '../ui/Avatar';
import { ButtonLink } from '../ui/ButtonLink';
import { PageTitle } from '../ui/PageTitle';
import { EmptyState, ErrorState } from '../ui/states';
import { LivesAndVideos } from '../videos/LivesAndVideos';
import { pageFromParams } from '../videos/paging';
import { VideoGridSkeleton } from '../videos/VideoGridSkeleton';

export default function ChannelPage() {
  const { username = '' } = useParams();
  const { data: user, error, isPending, refetch } = useQuery(queries.channel(username));
  if (isPending) {
    return (
      <div className="page pt-10" role="status" aria-label="Loading the channel">
        <div className="mb-9 h-18 w-72 shimmer rounded-frame md:mt-2" />
        <VideoGridSkeleton />
      </div>
    );
  }
  if (error instanceof ApiError && error.status === 404) {
    return (
      <EmptyState heading="h1" title="There is no such channel">
        <PageTitle title="Not found" />
        Nobody here is called “{username}”.
      </EmptyState>
    );
  }
  if (error) return <ErrorState heading="h1" error={error} onRetry={() => void refetch()} />;
  return <Channel key={user.id} user={user} />;
}

function Channel({ user }: { user: User }) {
  const [params] = useSearchParams();
  const query = useQuery(queries.userVideos(user.id, pageFromParams(params)));
  const mine = useSession()?.username === user.username;
  return (
    <div className="page">
      <PageTitle title={user.username} />
      <header className="flex flex-wrap items-center gap-5 pt-8 pb-9 md:pt-12">
        <Avatar name={user.username} className="h-18 w-18 text-3xl" />
        <div className="min-w-0 flex-1 basis-48">
          <h1 className="truncate text-3xl font-extrabold tracking-tight">{user.username}</h1>
          <p className="text-muted">{query.data ? totalOf(query.data, 'video') : '\u00a0'}</p>
        </div>
        {mine && <ButtonLink to="/videos">Manage my videos</ButtonLink>}
      </header>
      <LivesAndVideos
        userId={user.id}
        query={query}
        showOwner={false}
        empty={
          <EmptyState
            title="No videos yet"
            action={
              mine && (
                <ButtonLink to="/upload" variant="primary">
                  Upload one
                </ButtonLink>
              )
            }
          />
        }
      />
    </div>
  );
}
