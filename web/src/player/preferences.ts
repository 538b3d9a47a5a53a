import { type RefObject, useEffect } from 'react';

import { kept } from '../ui/kept';
import { RATES } from './rates';

const VOLUME = 'cinelog.volume';
const MUTED = 'cinelog.muted';
const RATE = 'cinelog.rate';
const NEXT = 'cinelog.next';
const THEATRE = 'cinelog.theatre';

/** Keeps volume and silence for the next film, and plays a film as fast as the last one. */
export function usePreferences(
  ref: RefObject<HTMLVideoElement | null>,
  opening: { muted: boolean },
  live: boolean,
): void {
  useEffect(() => {
    const video = ref.current;
    if (!video) return;
    const stored = Number(kept.get(VOLUME) ?? 'NaN');
    if (stored >= 0 && stored <= 1) video.volume = stored;
    if (!opening.muted && kept.get(MUTED) === '1') video.muted = true;
    const save = () => {
      kept.set(VOLUME, String(video.volume));
      kept.set(MUTED, video.muted ? '1' : '0');
    };
    video.addEventListener('volumechange', save);
    return () => video.removeEventListener('volumechange', save);
  }, [ref, opening.muted]);

  useEffect(() => {
    const video = ref.current;
    if (!video) return;
    // A live is played as fast as it comes.
    const rate = live ? 1 : storedRate();
    // What is loaded next begins with the default.
    video.defaultPlaybackRate = rate;
    video.playbackRate = rate;
  }, [ref, live]);
}

function storedRate(): number {
  const stored = Number(kept.get(RATE) ?? '1');
  return RATES.find((rate) => rate === stored) ?? 1;
}

export function keepRate(rate: number): void {
  kept.set(RATE, String(rate));
}

/** A choice between two that this browser keeps. */
interface Choice {
  get: () => boolean;
  set: (on: boolean) => void;
}

function choice(key: string, otherwise: boolean): Choice {
  return {
    get: () => (kept.get(key) ?? (otherwise ? '1' : '0')) === '1',
    set: (on) => kept.set(key, on ? '1' : '0'),
  };
}

/** Whether the next film begins by itself. */
export const playsNext = choice(NEXT, true);
/** Whether the player takes the whole width of the page. */
export const theatre = choice(THEATRE, false);
