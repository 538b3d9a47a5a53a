import { useMutation, useQueryClient } from '@tanstack/react-query';
import { RotateCw } from 'lucide-react';

import type { Job } from '../api/models';
import { queries } from '../api/queries';
import { retryJob } from '../api/videos';
import { Button } from '../ui/Button';
import { InlineError } from '../ui/states';

/** Runs a failed job again. */
export function RetryButton({ jobId }: { jobId: string }) {
  const client = useQueryClient();
  const retry = useMutation({
    mutationFn: () => retryJob(jobId),
    // Shown at once, and followed again: the server's own copy may lag by a moment.
    onSuccess: () =>
      client.setQueryData(
        queries.job(jobId).queryKey,
        (job: Job | undefined) => job && { ...job, status: 'pending' as const, progress: 0 },
      ),
  });
  return (
    <div className="space-y-2">
      <Button size="sm" busy={retry.isPending} onClick={() => retry.mutate()}>
        <RotateCw className="h-4 w-4" aria-hidden="true" />
        Try again
      </Button>
      <InlineError error={retry.error} />
    </div>
  );
}
