import { QueryClient } from '@tanstack/react-query';

import { toApiError } from './errors';

const MAX_RETRIES = 2;
const LONGEST_WAIT_MS = 30_000;

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        // Offline, a clear error and a retry are better than a spinner that waits for the network.
        networkMode: 'always',
        retry: (failures, error) => failures < MAX_RETRIES && toApiError(error).isTemporary,
        retryDelay,
      },
      mutations: { networkMode: 'always' },
    },
  });
}

/** Waits as long as the server asked for, else 1 s, 2 s, 4 s … */
export function retryDelay(failures: number, error: Error): number {
  const asked = toApiError(error).retryAfter;
  const wait = asked === null ? 1000 * 2 ** failures : asked * 1000;
  return Math.min(wait, LONGEST_WAIT_MS);
}
