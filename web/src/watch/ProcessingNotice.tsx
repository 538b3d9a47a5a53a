import type { Video } from '../api/models';
import { JobProgress } from '../jobs/JobProgress';
import { RetryButton } from '../jobs/RetryButton';
import { useJob } from '../jobs/useJob';
import { LogoMark } from '../ui/Logo';

/** In the player's place while there is nothing to play yet; it turns into the player by itself. */
export function ProcessingNotice({ video, mine }: { video: Video; mine: boolean }) {
  return (
    <div className="flex aspect-video max-h-[calc(100dvh-9rem)] w-full flex-col items-center justify-center gap-5 border border-line bg-surface p-6 max-md:border-x-0 md:rounded-xl">
      <LogoMark className="h-10 w-10 text-accent" />
      {mine ? <OwnersView video={video} /> : <VisitorsView failed={video.status === 'failed'} />}
    </div>
  );
}

function VisitorsView({ failed }: { failed: boolean }) {
  return (
    <p role="status" className="text-center text-lg font-semibold text-balance">
      {failed
        ? 'This video could not be processed.'
        : 'This video is being prepared. It will start here by itself.'}
    </p>
  );
}

function OwnersView({ video }: { video: Video }) {
  const { data: job } = useJob(video.id);
  if (!job) return <div className="h-10 w-full max-w-md shimmer rounded" />;
  if (job.status === 'failed') {
    return (
      <div className="flex max-w-lg flex-col items-center gap-4 text-center">
        <p className="text-lg font-semibold">This video could not be processed</p>
        <p role="alert" className="text-muted">
          {job.error_message ?? 'No reason was given.'}
        </p>
        <RetryButton jobId={job.id} />
      </div>
    );
  }
  return (
    <div className="w-full max-w-md">
      <JobProgress job={job} />
      <p className="mt-4 text-center text-sm text-muted">
        You can leave; the work goes on without you.
      </p>
    </div>
  );
}
