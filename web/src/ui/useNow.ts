import { useSyncExternalStore } from 'react';

const SECOND_MS = 1_000;

function subscribe(changed: () => void): () => void {
  const timer = setInterval(changed, SECOND_MS);
  return () => clearInterval(timer);
}

/** To the second, so that it stands still between two drawings of a page. */
const currentSecond = () => Math.floor(Date.now() / SECOND_MS) * SECOND_MS;

/** The time of day in milliseconds, kept up to date each second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, currentSecond);
}
