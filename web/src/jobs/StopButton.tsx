import { useMutation, useQueryClient } from '@tanstack/react-query';
import { CircleStop } from 'lucide-react';

import { queries } from '../api/queries';
import { cancelJob } from '../api/videos';
import { Button } from '../ui/Button';
import { InlineError } from '../ui/states';

/** Ends the processing of a video; it can be tried again later. */
export function StopButton({ jobId }: { jobId: string }) {
  const client = useQueryClient();
  const stop = useMutation({
    mutationFn: () => cancelJob(jobId),
    onSettled: () => client.invalidateQueries({ queryKey: queries.job(jobId).queryKey }),
  });
  return (
    <div className="space-y-2">
      <Button size="sm" busy={stop.isPending} onClick={() => stop.mutate()}>
        <CircleStop className="h-4 w-4" aria-hidden="true" />
        Stop processing
      </Button>
      <InlineError error={stop.error} />
    </div>
  );
}
