import { type RefObject, useEffect, useRef } from 'react';

import type { PlayerActions } from './actions';
import { belongsToControl, runShortcut } from './shortcuts';
import type { PlayerView } from './usePlayerView';

/** Shortcuts work anywhere on the page, as long as nobody is typing or working a control. */
export function usePlayerKeys(
  video: RefObject<HTMLVideoElement | null>,
  frame: RefObject<HTMLElement | null>,
  actions: PlayerActions,
  view: PlayerView,
): void {
  const current = useRef(view);
  useEffect(() => {
    current.current = view;
  }, [view]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (!video.current || document.querySelector('dialog[open]')) return;
      if (belongsToControl(event.key, event.target)) return;
      // Arrows scroll the page unless the focus is in the player or nowhere in particular.
      const inside = frame.current?.contains(document.activeElement) ?? false;
      if (/^Arrow(Up|Down)$/.test(event.key) && !inside) return;
      const { volume } = video.current;
      if (runShortcut(event.key, actions, current.current, { volume })) {
        event.preventDefault();
      }
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [video, frame, actions]);
}
