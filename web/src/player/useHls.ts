import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';

import { type AttachedStream, attachHls, type Kind, type StreamFacts } from './attachHls';
import type { LiveTimeline } from './liveTimeline';
import { AUTO_LEVEL, type Quality } from './quality';
import type { Sound } from './sounds';

/** Where nobody says how many pictures a second there are. */
const USUAL_FRAME_RATE = 25;

export interface Stream {
  qualities: readonly Quality[];
  /** The chosen level; AUTO_LEVEL when the player chooses. */
  chosen: number;
  /** The name of what is playing now, e.g. "720p". */
  playing: string;
  error: string | null;
  /** Nothing can be loaded for the moment; it goes on by itself. */
  away: boolean;
  choose: (level: number) => void;
  /** Its sound tracks, and the one that plays. */
  sounds: readonly Sound[];
  sound: number;
  chooseSound: (track: number) => void;
  /** A live by the clock; null for a film, and while that is not known. */
  timeline: () => LiveTimeline | null;
  /** Shows a moment of a live, in seconds since 1970. */
  goTo: (moment: number) => void;
  /** Null where the browser plays by itself, and before anything plays. */
  facts: () => StreamFacts | null;
  /** Pictures a second of what plays. */
  frameRate: () => number;
  retry: () => void;
}

/**
 * Keeps an HLS playlist of one video attached to its element. A playlist that still grows already names
 * every quality, so that a viewer who came early climbs without anything being loaded anew.
 */
export function useHls(
  video: RefObject<HTMLVideoElement | null>,
  src: string,
  kind: Kind,
  since: number,
  opening: { start: number; autoplay: boolean },
): Stream {
  const attached = useRef<AttachedStream | null>(null);
  // It becomes known after the first segments are, and begins nothing anew.
  const begun = useRef(since);
  useEffect(() => {
    begun.current = since;
  }, [since]);
  const left = useRef({ src, kind, seconds: opening.start, playing: opening.autoplay });
  const [qualities, setQualities] = useState<readonly Quality[]>([]);
  const [chosen, setChosen] = useState(AUTO_LEVEL);
  const [sounds, setSounds] = useState<readonly Sound[]>([]);
  const [sound, setSound] = useState(0);
  const [playing, setPlaying] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [away, setAway] = useState(false);
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    const element = video.current;
    if (!element) return;
    // A film that has another address now, such as a recording that was encoded meanwhile, goes on
    // where it was; a live and the film that it becomes have no moment in common.
    const same = left.current.src === src || (kind === 'film' && left.current.kind === 'film');
    const { seconds, playing: plays } = same ? left.current : { seconds: 0, playing: false };
    const stream = attachHls(
      element,
      src,
      { seconds, playing: plays, kind, since: () => begun.current },
      {
        onQualities: (found) => {
          setQualities(found);
          setChosen(AUTO_LEVEL);
        },
        onPlaying: setPlaying,
        onSounds: setSounds,
        onSound: setSound,
        onError: setError,
        onAway: setAway,
      },
    );
    attached.current = stream;
    return () => {
      // Of what was never loaded there is no place but the one that it was to begin at.
      const loaded = element.currentTime > 0 || element.played.length > 0;
      const seconds = loaded ? element.currentTime : left.current.seconds;
      left.current = { src, kind, seconds, playing: !element.paused };
      attached.current = null;
      stream.detach();
    };
  }, [video, src, kind, attempt]);

  const choose = useCallback((level: number) => {
    setChosen(level);
    attached.current?.choose(level);
  }, []);
  const chooseSound = useCallback((track: number) => attached.current?.chooseSound(track), []);
  const timeline = useCallback(() => attached.current?.timeline() ?? null, []);
  const goTo = useCallback((moment: number) => attached.current?.goTo(moment), []);
  const facts = useCallback(() => attached.current?.facts() ?? null, []);
  const frameRate = useCallback(() => facts()?.frameRate || USUAL_FRAME_RATE, [facts]);
  const retry = useCallback(() => {
    setError(null);
    setAttempt((previous) => previous + 1);
  }, []);
  return {
    qualities,
    chosen,
    playing,
    error,
    away,
    choose,
    sounds,
    sound,
    chooseSound,
    timeline,
    goTo,
    facts,
    frameRate,
    retry,
  };
}
