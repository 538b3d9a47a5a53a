import { useSyncExternalStore } from 'react';

import { fullDate, timeAgo } from '../format/time';

const TICK_MS = 60_000;

function subscribe(changed: () => void): () => void {
  const timer = setInterval(changed, TICK_MS);
  return () => clearInterval(timer);
}

/** Now to the minute, so that it stands still between two drawings of a page. */
const currentMinute = () => Math.floor(Date.now() / TICK_MS) * TICK_MS;

/** How long ago something was, kept up to date; the exact moment on hovering. */
export function Ago({ iso }: { iso: string }) {
  const now = useSyncExternalStore(subscribe, currentMinute);
  return (
    <time dateTime={iso} title={fullDate(iso)}>
      {timeAgo(iso, now)}
    </time>
  );
}
