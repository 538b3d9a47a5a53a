import { type MouseEvent, useRef } from 'react';

import type { PlayerActions } from './actions';

const DOUBLE_MS = 300;
const STEP_SECONDS = 10;

interface Taps {
  onClick: (event: MouseEvent<HTMLElement>) => void;
  onDoubleClick: (event: MouseEvent<HTMLElement>) => void;
}

/**
 * What presses on the picture do. A mouse plays and pauses, twice is full screen. A finger first
 * shows the controls; twice at a side it goes back or forward, and in the middle is full screen.
 */
export function useTaps(actions: PlayerActions, hidden: boolean): Taps {
  const last = useRef({ at: -DOUBLE_MS, toggled: false });
  return {
    onClick: (event) => {
      if (!byFinger(event)) {
        actions.togglePlay();
        return;
      }
      if (event.timeStamp - last.current.at < DOUBLE_MS) {
        // The first of the two was not meant to play or pause.
        if (last.current.toggled) actions.togglePlay();
        last.current = { at: -DOUBLE_MS, toggled: false };
        twice(event, actions);
        return;
      }
      last.current = { at: event.timeStamp, toggled: !hidden };
      if (!hidden) actions.togglePlay();
    },
    onDoubleClick: (event) => {
      if (!byFinger(event)) actions.toggleFullscreen();
    },
  };
}

function byFinger({ nativeEvent }: MouseEvent): boolean {
  return 'pointerType' in nativeEvent && nativeEvent.pointerType === 'touch';
}

function twice(event: MouseEvent<HTMLElement>, actions: PlayerActions): void {
  const box = event.currentTarget.getBoundingClientRect();
  const share = (event.clientX - box.left) / box.width;
  if (share < 1 / 3) actions.seekBy(-STEP_SECONDS);
  else if (share > 2 / 3) actions.seekBy(STEP_SECONDS);
  else actions.toggleFullscreen();
}
