import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import { ApiError } from '../api/errors';
import { authFetch } from '../auth/authFetch';
import { session } from '../auth/session';
import type { Job } from '../api/models';
import { queries } from '../api/queries';
import { isTerminal } from './job';
import { readServerEvents } from './sse';

const POLL_MS = 1_000;
/** With the live stream running, polling is only the safety net. */
const POLL_WITH_STREAM_MS = 10_000;

/** The job, followed until it ends: by polling, and sooner when the server streams its events. */
export function useJob(id: string, enabled = true) {
  const client = useQueryClient();
  const [streaming, setStreaming] = useState(false);
  const query = useQuery({
    ...queries.job(id),
    enabled,
    staleTime: 0,
    refetchInterval: ({ state }) => {
      if (state.data && isTerminal(state.data)) return false;
      if (state.error && !mayPass(state.error)) return false;
      return streaming ? POLL_WITH_STREAM_MS : POLL_MS;
    },
  });
  const job = query.data;
  const running = enabled && job !== undefined && !isTerminal(job);

  useEffect(() => {
    if (!running) return;
    const abort = new AbortController();
    void followEvents(id, abort.signal, setStreaming, () => {
      void client.invalidateQueries(
        { queryKey: queries.job(id).queryKey },
        { cancelRefetch: false },
      );
    });
    return () => abort.abort();
  }, [client, id, running]);

  useRefreshVideoWith(id, job);
  return query;
}

/** Only jobs that exist are followed: one that is not found is not shown yet. */
function mayPass(error: Error): boolean {
  return error instanceof ApiError && (error.isTemporary || error.status === 404);
}

/** What the job reaches is news about its video too. */
function useRefreshVideoWith(id: string, job: Job | undefined): void {
  const client = useQueryClient();
  const reached = job && `${job.status} ${String(job.playable)}`;
  useEffect(() => {
    if (reached === undefined) return;
    void client.invalidateQueries({ queryKey: queries.video(id).queryKey });
    void client.invalidateQueries({ queryKey: ['videos'] });
  }, [client, id, reached]);
}

/** Calls `onEvent` for every step of the job; quietly gives up where the stream is not offered. */
async function followEvents(
  id: string,
  signal: AbortSignal,
  setStreaming: (streaming: boolean) => void,
  onEvent: () => void,
): Promise<void> {
  try {
    const url = new URL(`/api/v1/jobs/${encodeURIComponent(id)}/events`, window.location.origin);
    const response = await authFetch(session)(
      new Request(url, { headers: { Accept: 'text/event-stream' }, signal }),
    );
    const isStream = response.headers.get('Content-Type')?.startsWith('text/event-stream');
    if (!response.ok || !isStream || !response.body) return;
    setStreaming(true);
    for await (const event of readServerEvents(response.body)) if (event.data) onEvent();
  } catch {
    // The stream is only the faster way: polling goes on without it.
  } finally {
    if (!signal.aborted) setStreaming(false);
  }
}
