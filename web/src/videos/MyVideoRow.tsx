import { Link } from 'react-router';

import type { Video } from '../api/models';
import { formatViews } from '../format/count';
import { JobProgress } from '../jobs/JobProgress';
import { RetryButton } from '../jobs/RetryButton';
import { StopButton } from '../jobs/StopButton';
import { useJob } from '../jobs/useJob';
import { Ago } from '../ui/Ago';
import { OwnerActions } from './OwnerActions';
import { isFinished } from './status';
import { Thumbnail } from './Thumbnail';

interface MyVideoRowProps {
  video: Video;
  chosen: boolean;
  /** `range`: with Shift, from the one before to this one. */
  onChoose: (range: boolean) => void;
}

/** One of my videos: what became of it, and what I can do with it. */
export function MyVideoRow({ video, chosen, onChoose }: MyVideoRowProps) {
  return (
    <article className="group grid grid-cols-[8.5rem_minmax(0,1fr)] gap-x-4 gap-y-2 py-5 md:grid-cols-[13rem_minmax(0,1fr)_auto] md:gap-x-6">
      <div className="relative self-start">
        <Link to={`/watch/${video.id}`} tabIndex={-1} aria-hidden="true">
          <Thumbnail video={video} />
        </Link>
        <label className="absolute top-0 left-0 flex h-11 w-11 cursor-pointer p-2">
          <span className="flex h-7 w-7 items-center justify-center rounded-md bg-surface/90 shadow">
            <input
              type="checkbox"
              aria-label={`Choose ${video.title}`}
              checked={chosen}
              onChange={(event) => onChoose(withShift(event.nativeEvent))}
              className="h-5 w-5 accent-accent"
            />
          </span>
        </label>
      </div>
      <div className="min-w-0">
        <h2 dir="auto" className="line-clamp-2 text-lg leading-snug font-bold">
          <Link
            to={`/watch/${video.id}`}
            className="rounded-sm decoration-accent decoration-2 underline-offset-4 hover:underline"
          >
            {video.title}
          </Link>
        </h2>
        <p className="mt-1 text-sm text-muted">
          {formatViews(video.views)} · <Ago iso={video.CreatedAt} />
          {video.visibility !== 'public' && <> · {video.visibility}</>}
        </p>
        {!isFinished(video) && (
          <div className="mt-3 max-w-md">
            <JobState jobId={video.id} />
          </div>
        )}
      </div>
      <div className="max-md:col-span-2">
        <OwnerActions video={video} />
      </div>
    </article>
  );
}

/** Browsers tell of a press on a checkbox by its click. */
function withShift(event: Event): boolean {
  return event instanceof MouseEvent && event.shiftKey;
}

function JobState({ jobId }: { jobId: string }) {
  const { data: job } = useJob(jobId);
  if (!job) return <div className="h-8 shimmer rounded" />;
  if (job.status !== 'failed') {
    return (
      <div className="space-y-3">
        <JobProgress job={job} />
        {job.status !== 'completed' && <StopButton jobId={jobId} />}
      </div>
    );
  }
  return (
    <div className="space-y-3">
      <p className="text-sm text-danger">
        {job.error_message ?? 'The video could not be processed.'}
      </p>
      <RetryButton jobId={jobId} />
    </div>
  );
}
