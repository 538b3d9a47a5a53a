import { useEffect } from 'react';
import { type Blocker, useBlocker } from 'react-router';

/** Asks before a live is left: the tab by the browser's own question, the page by ours. */
export function useLeaving(live: boolean): Blocker {
  useEffect(() => {
    if (!live) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [live]);
  return useBlocker(
    ({ currentLocation, nextLocation }) =>
      live && currentLocation.pathname !== nextLocation.pathname,
  );
}
