import type Hls from 'hls.js';
import type { ErrorData, HlsConfig } from 'hls.js';
import workerUrl from 'hls.js/dist/hls.worker.js?url';

import { qualitiesOf, type Quality, qualityLabel } from './quality';

const HLS_TYPE = 'application/vnd.apple.mpegurl';
const MAX_RECOVERIES = 3;
/** Seconds behind the newest picture within which a viewer of a live counts as up to date. */
const EDGE_SLACK_SECONDS = 3;

/** A film starts at its beginning, even while it still grows; a live starts at its newest part. */
export type Kind = 'film' | 'live';

const LIVE: Partial<HlsConfig> = {
  lowLatencyMode: true,
  // Who has fallen behind by a stall catches up unnoticed.
  maxLiveSyncPlaybackRate: 1.1,
  liveSyncOnStallIncrease: 0.3,
  backBufferLength: 90,
};

export interface StreamEvents {
  onQualities: (qualities: readonly Quality[]) => void;
  onPlaying: (label: string) => void;
  onError: (message: string | null) => void;
}

export interface AttachedStream {
  choose: (level: number) => void;
  /** Where the newest parts of a live are, in seconds; null where that is not known. */
  edge: () => number | null;
  detach: () => void;
}

interface Start {
  kind: Kind;
  seconds: number;
  playing: boolean;
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
  let hls: Hls | null = null;
  let detached = false;
  void import('hls.js').then(
    ({ default: HlsPlayer }) => {
      if (detached) return;
      if (HlsPlayer.isSupported()) hls = createHls(HlsPlayer, element, src, start, events);
      else if (element.canPlayType(HLS_TYPE)) element.src = src;
      else events.onError('This browser can’t play this kind of video.');
    },
    () => events.onError('The player could not be loaded.'),
  );
  return {
    choose: (level) => {
      // nextLevel keeps what plays now and changes from the next segment on: no stall.
      if (hls) hls.nextLevel = level;
    },
    edge: () => hls?.liveSyncPosition ?? null,
    detach: () => {
      detached = true;
      if (hls) hls.destroy();
      else element.removeAttribute('src');
    },
  };
}

function createHls(
  HlsPlayer: typeof Hls,
  element: HTMLVideoElement,
  src: string,
  start: Start,
  events: StreamEvents,
): Hls {
  const hls = new HlsPlayer({
    workerPath: workerUrl,
    ...(start.kind === 'live' ? LIVE : { startPosition: start.seconds }),
  });
  const { Events } = HlsPlayer;
  hls.on(Events.MANIFEST_PARSED, (_, { levels }) => {
    events.onError(null);
    events.onQualities(qualitiesOf(levels));
    if (start.playing) element.play().catch(() => undefined);
  });
  hls.on(Events.LEVEL_SWITCHED, (_, { level }) => {
    const facts = hls.levels[level];
    events.onPlaying(facts ? qualityLabel(facts) : '');
  });
  const recover = recovery(hls, HlsPlayer.ErrorTypes.MEDIA_ERROR, events.onError);
  hls.on(Events.ERROR, (_, data) => recover(data));
  hls.loadSource(src);
  hls.attachMedia(element);
  return hls;
}

/** Whether a viewer at `seconds` sees the newest parts of a live whose edge is at `edge`. */
export function isAtEdge(seconds: number, edge: number | null): boolean {
  return edge === null || seconds >= edge - EDGE_SLACK_SECONDS;
}

/** Tries hls.js's own ways out of a fatal error a few times before telling the person. */
function recovery(
  hls: Hls,
  mediaError: ErrorData['type'],
  fail: (message: string) => void,
): (data: ErrorData) => void {
  let recoveries = 0;
  return ({ fatal, type, response }) => {
    if (!fatal) return;
    recoveries += 1;
    const gone = response?.code === 404 || response?.code === 403;
    if (recoveries > MAX_RECOVERIES || gone) {
      fail(gone ? 'This video is not available.' : 'The video could not be loaded.');
      hls.stopLoad();
    } else if (type === mediaError) {
      hls.recoverMediaError();
    } else {
      setTimeout(() => hls.startLoad(), 1_000 * recoveries);
    }
  };
}
