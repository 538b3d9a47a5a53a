import type Hls from 'hls.js';
import type { HlsConfig } from 'hls.js';

import {
  beginningOf,
  type Dvr,
  dvrOf,
  type Fragment,
  type LiveTimeline,
  MARGIN_SECONDS,
  positionOf,
  type Way,
  wayTo,
} from './liveTimeline';

const EDGE: Partial<HlsConfig> = {
  lowLatencyMode: true,
  // Who has fallen behind by a stall catches up unnoticed.
  maxLiveSyncPlaybackRate: 1.1,
  liveSyncOnStallIncrease: 0.3,
  backBufferLength: 90,
};

const BACK: Partial<HlsConfig> = { lowLatencyMode: false, backBufferLength: 90 };

/** A list without gaps may be this much longer or shorter than the clock says. */
const ESTIMATE_SECONDS = 3;

export interface AttachedLive {
  hls: () => Hls;
  timeline: () => LiveTimeline | null;
  /** Shows a moment, in seconds since 1970. */
  goTo: (moment: number) => void;
}

/** Opens a player with these settings that is not attached yet. */
type Open = (config: Partial<HlsConfig>, playing: boolean) => Hls;

interface Source {
  url: string;
  /** When the live has begun, in seconds since 1970. */
  since: () => number;
  playing: boolean;
}

/**
 * Plays a live: its newest parts from one playlist, and what is older than a minute from another
 * one, which is loaded rarely. Going back, and back to the edge, changes between the two.
 */
export function attachLive(
  HlsPlayer: typeof Hls,
  element: HTMLVideoElement,
  source: Source,
  open: Open,
): AttachedLive {
  const { Events } = HlsPlayer;
  let list: 'edge' | 'back' = 'edge';
  let dvr: Dvr | null = null;
  let wanted: number | null = null;
  /** From the newest part to this machine's clock, whether that is right or not. */
  let lag: number | null = null;
  /** What is to be added to the player's seconds for those since 1970: the same for a whole list. */
  let added: number | null = null;
  let hls = edge(source.playing);

  function edge(playing: boolean): Hls {
    const made = open(EDGE, playing);
    made.on(Events.MANIFEST_LOADED, (_, data) => {
      const values = data.sessionData;
      dvr = dvrOf((id) => values?.[id]?.VALUE as string | undefined, source.url);
    });
    element.addEventListener('play', resume);
    made.once(Events.DESTROYING, () => element.removeEventListener('play', resume));
    made.loadSource(source.url);
    made.attachMedia(element);
    return made;
  }

  /** `estimate`: where the moment is in a list without gaps. */
  function back(url: string, moment: number, estimate: number, playing: boolean): Hls {
    const made = open({ ...BACK, startPosition: estimate }, playing);
    made.once(Events.LEVEL_LOADED, (_, { details }) => {
      const position = positionOf(moment, details.fragments);
      if (Math.abs(position - estimate) > ESTIMATE_SECONDS) made.startLoad(position);
    });
    made.loadSource(url);
    made.attachMedia(element);
    return made;
  }

  function change(next: 'edge' | 'back', make: (playing: boolean) => Hls): void {
    const playing = !element.paused;
    hls.destroy();
    list = next;
    added = null;
    hls = make(playing);
  }

  /** Until there is a picture, and while another one is sought, the player's date is of no use. */
  function measure(): void {
    const date = hls.playingDate;
    if (!date || element.seeking || element.readyState < element.HAVE_CURRENT_DATA) return;
    added = date.getTime() / 1000 - element.currentTime;
    wanted = null;
  }

  /** What can be sought: of anything else that it may hold, the player goes to the edge. */
  function fragments(): readonly Fragment[] {
    return hls.latestLevelDetails?.fragments ?? [];
  }

  function timeline(): LiveTimeline | null {
    measure();
    const position = hls.liveSyncPosition;
    if (list === 'edge' && added !== null && position !== null) {
      lag = Date.now() / 1000 - (added + position);
    }
    const now = wanted ?? (added === null ? null : added + element.currentTime);
    if (lag === null || now === null) return null;
    const until = Date.now() / 1000 - lag;
    const begins = dvr ? until - dvr.seconds : beginningOf(fragments());
    const from = Math.max(begins + MARGIN_SECONDS, source.since());
    return { from: Math.min(from, now), until: Math.max(until, now), now };
  }

  function way(moment: number, until: number): Way {
    return wayTo(moment, { list, first: beginningOf(fragments()), until, dvr: dvr !== null });
  }

  function goTo(moment: number): void {
    const known = timeline();
    if (!known) return;
    const target = Math.max(moment, known.from);
    const found = way(target, known.until);
    const listed = fragments();
    wanted = target;
    if (found === 'edge') {
      wanted = null;
      change('edge', edge);
    } else if (found === 'back' && dvr) {
      const { url, seconds } = dvr;
      const estimate = target - Math.max(known.until - seconds, source.since());
      change('back', (playing) => back(url, target, estimate, playing));
    } else if (listed.length > 0) {
      element.currentTime = positionOf(target, listed);
    }
  }

  /** Who has paused for long goes on at their place, which the list of the edge has lost. */
  function resume(): void {
    const known = timeline();
    if (known && way(known.now, known.until) === 'back') goTo(known.now);
  }

  return { hls: () => hls, timeline, goTo };
}
