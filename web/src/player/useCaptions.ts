import { useCallback, useState } from 'react';

import type { Captions } from '../api/models';
import {
  bestCaptions,
  type CaptionChoice,
  keepChoice,
  shownCaptions,
  storedChoice,
} from './captionChoice';

export interface CaptionState {
  tracks: readonly Captions[];
  /** What is shown; null where captions are off. */
  shown: Captions | null;
  choice: CaptionChoice;
  change: (changes: Partial<CaptionChoice>) => void;
  toggle: () => void;
}

/** Which captions a film shows. The choice is the viewer's, for all films. */
export function useCaptions(tracks: readonly Captions[]): CaptionState {
  const [choice, setChoice] = useState(storedChoice);
  const change = useCallback((changes: Partial<CaptionChoice>) => {
    setChoice((before) => {
      const after = { ...before, ...changes };
      keepChoice(after);
      return after;
    });
  }, []);
  const toggle = useCallback(() => {
    const best = bestCaptions(tracks, choice.language, navigator.languages);
    if (best) change({ on: !choice.on, language: best.language });
  }, [tracks, choice, change]);
  const shown = shownCaptions(tracks, choice, navigator.languages);
  return { tracks, shown, choice, change, toggle };
}
