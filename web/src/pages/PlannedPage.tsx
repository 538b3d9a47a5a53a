import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, Navigate, useParams } from 'react-router';

import { ApiError } from '../api/errors';
import type { PlannedLive } from '../api/models';
import { queries } from '../api/queries';
import { askAgainMs, countdown, lateWords, lookAgainMs, plannedTime } from '../live/planned';
import { Avatar } from '../ui/Avatar';
import { ButtonLink } from '../ui/ButtonLink';
import { PageTitle } from '../ui/PageTitle';
import { EmptyState, ErrorState } from '../ui/states';
import { useNow } from '../ui/useNow';

/** The page of a live before it begins; it becomes the live by itself. */
export default function PlannedPage() {
  const { plannedId = '' } = useParams();
  const {
    data: live,
    error,
    refetch,
  } = useQuery({
    ...queries.planned(plannedId),
    refetchInterval: ({ state: { data, error: failure } }) =>
      data?.state === 'planned' && !isGone(failure)
        ? lookAgainMs(data.scheduled_at, Date.now())
        : false,
  });
  // What was known of it before may be kept, but not shown.
  if (isGone(error)) return <Gone />;
  if (!live) {
    return error ? (
      <ErrorState heading="h1" error={error} onRetry={() => void refetch()} />
    ) : (
      <div className="page">
        <div className="mt-10 h-40 shimmer rounded-lg" />
      </div>
    );
  }
  if (live.state === 'cancelled') return <Cancelled live={live} />;
  if (live.video_id !== null) return <Begun live={live} videoId={live.video_id} />;
  return <Waiting live={live} />;
}

function isGone(error: Error | null): boolean {
  return error instanceof ApiError && error.status === 404;
}

function Waiting({ live }: { live: PlannedLive }) {
  const now = useNow();
  const left = countdown(live.scheduled_at, now);
  return (
    <div className="page max-w-3xl pt-8 md:pt-14">
      <div className="rounded-frame bg-sunken px-6 py-12 text-center md:py-20">
        <p className="text-sm font-semibold text-muted">
          {left === null ? 'Planned for' : 'Live in'}
        </p>
        {left !== null && (
          <p role="timer" className="mt-2 timecode text-4xl font-extrabold md:text-6xl">
            {left}
          </p>
        )}
        <p className="mt-3 text-lg">
          <time dateTime={live.scheduled_at}>{plannedTime(live.scheduled_at)}</time>
        </p>
        <p role="status" className="mt-3 text-muted">
          {left === null && lateWords(live.scheduled_at, now)}
        </p>
      </div>
      <About live={live} />
    </div>
  );
}

function About({ live }: { live: PlannedLive }) {
  return (
    <>
      <PageTitle title={live.title} />
      <h1 className="mt-6 text-2xl font-extrabold tracking-tight break-words">{live.title}</h1>
      <Link
        to={`/u/${encodeURIComponent(live.username)}`}
        className="mt-3 inline-flex items-center gap-2 font-semibold"
      >
        <Avatar name={live.username} className="h-9 w-9" />
        {live.username}
      </Link>
      {live.description !== '' && (
        <p className="mt-5 break-words whitespace-pre-line">{live.description}</p>
      )}
    </>
  );
}

/** Goes to the video as soon as it is there. */
function Begun({ live, videoId }: { live: PlannedLive; videoId: string }) {
  const now = useNow();
  const [since] = useState(now);
  const again = askAgainMs(now - since);
  const { data, errorUpdateCount } = useQuery({
    ...queries.video(videoId),
    retry: false,
    refetchInterval: ({ state }) => (state.data ? false : again),
  });
  if (data) return <Navigate to={`/watch/${videoId}`} replace />;
  return (
    <div className="page max-w-3xl pt-8 md:pt-14">
      <p role="status" className="rounded-frame bg-sunken px-6 py-12 text-center text-lg">
        {beginningWords(errorUpdateCount > 0, again !== false)}
      </p>
      <About live={live} />
    </div>
  );
}

/** They stay the same, however often the video is asked for. */
function beginningWords(missed: boolean, asking: boolean): string {
  if (!asking) return 'It has begun, but its video isn’t here. Reload the page to look again.';
  return missed ? 'It has begun. Its video isn’t here yet, or it is private.' : 'It begins.';
}

function Cancelled({ live }: { live: PlannedLive }) {
  return (
    <div className="page max-w-3xl pt-8 md:pt-14">
      <p role="status" className="rounded-frame bg-sunken px-6 py-12 text-center text-lg">
        This live was cancelled.
      </p>
      <About live={live} />
    </div>
  );
}

function Gone() {
  return (
    <EmptyState
      heading="h1"
      title="This live isn’t here"
      action={
        <ButtonLink to="/" variant="primary">
          See the newest videos
        </ButtonLink>
      }
    >
      <PageTitle title="Not found" />
      It may have been cancelled, or it is private.
    </EmptyState>
  );
}
