import type Hls from 'hls.js';
import type { HlsConfig } from 'hls.js';
import workerUrl from 'hls.js/dist/hls.worker.js?url';

import { type AttachedLive, attachLive } from './attachLive';
import type { LiveTimeline } from './liveTimeline';
import { Outage, patience, watchNetwork } from './patience';
import { qualitiesOf, type Quality, qualityLabel } from './quality';
import { watchFailures } from './recovery';
import { type Sound, soundsOf } from './sounds';

const HLS_TYPE = 'application/vnd.apple.mpegurl';

/** A film starts at its beginning, even while it still grows; a live starts at its newest part. */
export type Kind = 'film' | 'live';

export interface StreamEvents {
  onQualities: (qualities: readonly Quality[]) => void;
  onPlaying: (label: string) => void;
  onSounds: (sounds: readonly Sound[]) => void;
  /** The sound track that plays. */
  onSound: (track: number) => void;
  onError: (message: string | null) => void;
  /** Nothing can be loaded for the moment; it goes on by itself. */
  onAway: (away: boolean) => void;
}

/** What hls.js knows of what it plays: bits a second, and how far behind a live is, in seconds. */
export interface StreamFacts {
  codecs: string;
  bitrate: number;
  bandwidth: number;
  frameRate: number;
  latency: number | null;
}

export interface AttachedStream {
  choose: (level: number) => void;
  chooseSound: (track: number) => void;
  /** Null where the browser plays by itself, and before anything plays. */
  facts: () => StreamFacts | null;
  /** A live by the clock; null for a film, and while that is not known. */
  timeline: () => LiveTimeline | null;
  /** Shows a moment of a live, in seconds since 1970. */
  goTo: (moment: number) => void;
  detach: () => void;
}

interface Start {
  kind: Kind;
  seconds: number;
  playing: boolean;
  /** When a live has begun, in seconds since 1970. */
  since: () => number;
}

/**
 * Plays an HLS playlist in a video element: through hls.js, or through the browser itself where
 * Media Source Extensions are missing (older iPhones).
 */
export function attachHls(
  element: HTMLVideoElement,
  src: string,
  start: Start,
  events: StreamEvents,
): AttachedStream {
  let hls: (() => Hls) | null = null;
  let live: AttachedLive | null = null;
  let detached = false;
  void import('hls.js').then(
    ({ default: HlsPlayer }) => {
      if (detached) return;
      if (HlsPlayer.isSupported()) {
        const open = (config: Partial<HlsConfig>, playing: boolean) =>
          createHls(HlsPlayer, element, { kind: start.kind, config, playing }, events);
        if (start.kind === 'live') {
          live = attachLive(HlsPlayer, element, { ...start, url: src }, open);
          hls = live.hls;
        } else {
          const film = open({ startPosition: start.seconds }, start.playing);
          film.loadSource(src);
          film.attachMedia(element);
          hls = () => film;
        }
      } else if (element.canPlayType(HLS_TYPE)) {
        const at = start.kind === 'film' && start.seconds > 0 ? `#t=${start.seconds}` : '';
        element.src = src + at;
        if (start.playing) element.play().catch(() => undefined);
      } else events.onError('This browser can’t play this kind of video.');
    },
    () => events.onError('The player could not be loaded.'),
  );
  return {
    choose: (level) => {
      // nextLevel keeps what plays now and changes from the next segment on: no stall.
      if (hls) hls().nextLevel = level;
    },
    chooseSound: (track) => {
      if (hls) hls().audioTrack = track;
    },
    facts: () => (hls ? factsOf(hls(), start.kind) : null),
    timeline: () => live?.timeline() ?? null,
    goTo: (moment) => live?.goTo(moment),
    detach: () => {
      detached = true;
      if (hls) hls().destroy();
      else element.removeAttribute('src');
    },
  };
}

function factsOf(hls: Hls, kind: Kind): StreamFacts | null {
  const level = hls.levels[hls.currentLevel];
  if (!level) return null;
  return {
    codecs: [level.videoCodec, level.audioCodec].filter(Boolean).join(', '),
    bitrate: level.bitrate,
    bandwidth: hls.bandwidthEstimate,
    frameRate: level.frameRate,
    latency: kind === 'live' ? hls.latency : null,
  };
}

function createHls(
  HlsPlayer: typeof Hls,
  element: HTMLVideoElement,
  { kind, config, playing }: { kind: Kind; config: Partial<HlsConfig>; playing: boolean },
  events: StreamEvents,
): Hls {
  const outage = new Outage(events.onAway);
  const hls = new HlsPlayer({
    workerPath: workerUrl,
    // The player draws captions itself, from their files.
    enableWebVTT: false,
    ...patience(HlsPlayer, outage),
    ...config,
  });
  const { Events } = HlsPlayer;
  hls.on(Events.MANIFEST_PARSED, (_, { levels }) => {
    events.onError(null);
    events.onQualities(qualitiesOf(levels));
    if (playing) element.play().catch(() => undefined);
  });
  hls.on(Events.LEVEL_SWITCHED, (_, { level }) => {
    const facts = hls.levels[level];
    events.onPlaying(facts ? qualityLabel(facts) : '');
  });
  hls.on(Events.AUDIO_TRACKS_UPDATED, (_, { audioTracks }) =>
    events.onSounds(soundsOf(audioTracks)),
  );
  hls.on(Events.AUDIO_TRACK_SWITCHED, (_, { id }) => events.onSound(id));
  watchNetwork(hls, HlsPlayer, outage);
  watchFailures(hls, HlsPlayer, kind, events.onError);
  return hls;
}
