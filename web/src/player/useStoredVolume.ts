import { type RefObject, useEffect } from 'react';

const KEY = 'cinelog.volume';

/** Keeps the volume for the next film. */
export function useStoredVolume(ref: RefObject<HTMLVideoElement | null>): void {
  useEffect(() => {
    const video = ref.current;
    if (!video) return;
    const stored = Number(localStorage.getItem(KEY) ?? 'NaN');
    if (stored >= 0 && stored <= 1) video.volume = stored;
    const save = () => localStorage.setItem(KEY, String(video.volume));
    video.addEventListener('volumechange', save);
    return () => video.removeEventListener('volumechange', save);
  }, [ref]);
}
