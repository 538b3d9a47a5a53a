import { type PointerEvent, useState } from 'react';

interface HoverPreview {
  playing: boolean;
  handlers: {
    onPointerEnter: (event: PointerEvent) => void;
    onPointerLeave: () => void;
  };
}

/** Whether a mouse rests on a card. Never on touch, and not for those who want little motion. */
export function useHoverPreview(): HoverPreview {
  const [playing, setPlaying] = useState(false);
  return {
    playing,
    handlers: {
      onPointerEnter: (event) => {
        setPlaying(event.pointerType === 'mouse' && !wantsLittleMotion());
      },
      onPointerLeave: () => setPlaying(false),
    },
  };
}

function wantsLittleMotion(): boolean {
  return window.matchMedia('(prefers-reduced-motion: reduce)').matches;
}
