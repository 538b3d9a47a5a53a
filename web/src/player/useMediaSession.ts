import { useEffect } from 'react';

import type { PlayerActions } from './actions';

const STEP_SECONDS = 10;

/** What a lock screen, a keyboard and headphones show of the film and do with it. */
export function useMediaSession(
  film: { title: string; by: string; poster: string },
  actions: PlayerActions,
  begun: boolean,
): void {
  const { title, by, poster } = film;
  useEffect(() => {
    // A page that was only opened takes the keys from nobody.
    if (!begun || !('mediaSession' in navigator)) return;
    const session = navigator.mediaSession;
    session.metadata = new MediaMetadata({
      title,
      artist: by,
      artwork: poster ? [{ src: poster }] : [],
    });
    const handlers: [MediaSessionAction, MediaSessionActionHandler][] = [
      ['play', actions.play],
      ['pause', actions.pause],
      ['seekbackward', ({ seekOffset }) => actions.seekBy(-(seekOffset ?? STEP_SECONDS))],
      ['seekforward', ({ seekOffset }) => actions.seekBy(seekOffset ?? STEP_SECONDS)],
      [
        'seekto',
        ({ seekTime }) => {
          if (seekTime !== undefined) actions.seekTo(seekTime);
        },
      ],
    ];
    for (const [action, handler] of handlers) setHandler(session, action, handler);
    return () => {
      session.metadata = null;
      for (const [action] of handlers) setHandler(session, action, null);
    };
  }, [title, by, poster, actions, begun]);
}

/** Browsers throw for what they don't know. */
function setHandler(
  session: MediaSession,
  action: MediaSessionAction,
  handler: MediaSessionActionHandler | null,
): void {
  try {
    session.setActionHandler(action, handler);
  } catch {
    // The others work without it.
  }
}
