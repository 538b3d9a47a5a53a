import { useMutation, useQueryClient } from '@tanstack/react-query';
import { RotateCw } from 'lucide-react';

import { queries } from '../api/queries';
import { retryJob } from '../api/videos';
import { Button } from '../ui/Button';
import { InlineError } from '../ui/states';

/** Runs a failed job again. */
export function RetryButton({ jobId }: { jobId: string }) {
  const client = useQueryClient();
  const retry = useMutation({
    mutationFn: () => retryJob(jobId),
    onSettled: () => client.invalidateQueries({ queryKey: queries.job(jobId).queryKey }),
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
