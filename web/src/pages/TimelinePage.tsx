import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';

import type { Timeline } from '../api/models';
import { queries } from '../api/queries';
import { StepList } from '../timeline/StepList';
import { elapsed } from '../timeline/wording';
import { FrameStrip } from '../ui/FrameStrip';
import { PageHeader } from '../ui/PageHeader';
import { EmptyState, ErrorState } from '../ui/states';

const FOLLOW_MS = 2_000;

/** "Why isn’t my video ready?": its whole story from the log. */
export default function TimelinePage() {
  const { videoId = '' } = useParams();
  const {
    data: timeline,
    error,
    isPending,
    refetch,
  } = useQuery({
    ...queries.timeline(videoId),
    refetchInterval: ({ state }) => (state.data && !state.data.ended ? FOLLOW_MS : false),
  });
  return (
    <div className="page max-w-3xl">
      <PageHeader title="The story of this video">
        <Link
          to={`/watch/${videoId}`}
          className="inline-flex min-h-11 items-center text-link underline underline-offset-4"
        >
          Go to the video
        </Link>
      </PageHeader>
      {isPending && (
        <div role="status" aria-label="Loading the story" className="h-80 shimmer rounded-frame" />
      )}
      {error && <ErrorState error={error} onRetry={() => void refetch()} />}
      {timeline && <Story timeline={timeline} />}
    </div>
  );
}

function Story({ timeline }: { timeline: Timeline }) {
  if (timeline.steps.length === 0) return <EmptyState title="Nothing has happened yet" />;
  return (
    <>
      <dl className="mb-9 grid grid-cols-2 gap-x-6 gap-y-4 sm:grid-cols-4">
        <Fact name="Upload" milliseconds={timeline.upload_ms} />
        <Fact name="Playable after" milliseconds={timeline.playable_after_ms} />
        <Fact name="Complete after" milliseconds={timeline.total_ms} />
        <div>
          <dt className="text-sm text-muted">Attempts</dt>
          <dd className="timecode text-xl font-semibold">{timeline.attempts}</dd>
        </div>
      </dl>
      {!timeline.ended && (
        <FrameStrip percent={timeline.progress} label="Processing" className="mb-9" />
      )}
      <StepList steps={timeline.steps} />
    </>
  );
}

function Fact({ name, milliseconds }: { name: string; milliseconds: number | null }) {
  return (
    <div>
      <dt className="text-sm text-muted">{name}</dt>
      <dd className="timecode text-xl font-semibold">
        {milliseconds === null ? '–' : elapsed(milliseconds)}
      </dd>
    </div>
  );
}
