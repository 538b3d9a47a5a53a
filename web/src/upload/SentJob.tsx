import { JobProgress } from '../jobs/JobProgress';
import { RetryButton } from '../jobs/RetryButton';
import { useJob } from '../jobs/useJob';
import { ButtonLink } from '../ui/ButtonLink';
import { InlineError } from '../ui/states';

/** What has become of an upload that has arrived. */
export function SentJob({ jobId, compact = false }: { jobId: string; compact?: boolean }) {
  const { data: job, error } = useJob(jobId);
  if (!job) return error ? <InlineError error={error} /> : <div className="h-8 shimmer rounded" />;
  if (job.status === 'failed') {
    return (
      <div className="space-y-3">
        <p role="alert" className="text-sm text-danger">
          {job.error_message ?? 'The video could not be processed.'}
        </p>
        <RetryButton jobId={jobId} />
      </div>
    );
  }
  const watchable = job.playable;
  return (
    <div className="space-y-3">
      <JobProgress job={job} />
      {!compact && (
        <ButtonLink to={`/watch/${jobId}`} variant={watchable ? 'primary' : 'secondary'} size="sm">
          {watchable ? 'Watch it' : 'Open its page'}
        </ButtonLink>
      )}
    </div>
  );
}
