import { type RefObject, useCallback, useEffect, useState } from 'react';

/** Another screen, as a television, that the browser can play on. */
export interface Remote {
  available: boolean;
  /** Lets the browser ask which one. */
  choose: () => void;
}

/** Safari's own way, older than the standard's. */
interface AppleVideo extends HTMLVideoElement {
  webkitShowPlaybackTargetPicker?: () => void;
}

interface AvailabilityEvent extends Event {
  availability?: 'available' | 'not-available';
}

const APPLES_EVENT = 'webkitplaybacktargetavailabilitychanged';

export function useRemote(ref: RefObject<HTMLVideoElement | null>): Remote {
  const [available, setAvailable] = useState(false);
  useEffect(() => {
    const video: AppleVideo | null = ref.current;
    if (!video) return;
    if (video.webkitShowPlaybackTargetPicker) {
      const changed = (event: AvailabilityEvent) =>
        setAvailable(event.availability === 'available');
      video.addEventListener(APPLES_EVENT, changed);
      return () => video.removeEventListener(APPLES_EVENT, changed);
    }
    if (!('remote' in video)) return;
    let watch: number | null = null;
    let gone = false;
    video.remote.watchAvailability(setAvailable).then(
      (id) => {
        if (gone) void video.remote.cancelWatchAvailability(id);
        else watch = id;
      },
      // Browsers that can't watch what is there can't play there either, as far as we know.
      () => undefined,
    );
    return () => {
      gone = true;
      if (watch !== null) void video.remote.cancelWatchAvailability(watch);
    };
  }, [ref]);
  const choose = useCallback(() => {
    const video: AppleVideo | null = ref.current;
    if (video?.webkitShowPlaybackTargetPicker) video.webkitShowPlaybackTargetPicker();
    // Nobody has to choose one.
    else video?.remote.prompt().catch(() => undefined);
  }, [ref]);
  return { available, choose };
}
