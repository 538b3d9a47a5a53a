const LONGEST_MS = 15_000;

/** How long to wait after the n-th failure in a row: as long as the server asked, else 1, 2, 4 … s. */
export function pauseAfter(failures: number, retryAfterSeconds: number | null): number {
  if (retryAfterSeconds !== null) return retryAfterSeconds * 1000;
  return Math.min(LONGEST_MS, 1000 * 2 ** (failures - 1));
}

/** Waits; the network coming back or a cancellation ends the wait early. */
export function backoff(
  failures: number,
  retryAfterSeconds: number | null,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => () => {
      clearTimeout(timer);
      window.removeEventListener('online', onOnline);
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const onOnline = done(resolve);
    const onAbort = done(() => reject(signal.reason as Error));
    const timer = setTimeout(done(resolve), pauseAfter(failures, retryAfterSeconds));
    window.addEventListener('online', onOnline);
    signal.addEventListener('abort', onAbort);
  });
}
