import Hls from 'hls.js';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { attachLive } from '../src/player/attachLive';

const MANIFEST_LOADED: string = Hls.Events.MANIFEST_LOADED;
const EDGE = 'https://site.example/media/public/v/live/index.m3u8';
const BEGUN = 1_700_000_000;
/** Of the live, in seconds; the list of its edge has the last minute. */
const AGE = 600;

/** A player that has loaded a list, whose seconds count from the beginning of the live. */
class Loaded {
  readonly once = vi.fn();
  readonly destroy = vi.fn();
  readonly loadSource = vi.fn<(url: string) => void>();
  readonly attachMedia = vi.fn();
  readonly liveSyncPosition = AGE;
  readonly latestLevelDetails = {
    fragments: [{ start: AGE - 60, duration: 60, programDateTime: (BEGUN + AGE - 60) * 1000 }],
  };

  constructor(
    private readonly element: HTMLVideoElement,
    private readonly dvrSeconds: number,
  ) {}

  get playingDate(): Date {
    return new Date((BEGUN + this.element.currentTime) * 1000);
  }

  on(event: string, tell: (event: string, data: unknown) => void): void {
    if (event !== MANIFEST_LOADED || this.dvrSeconds === 0) return;
    const sessionData = {
      'cinelog.dvr.playlist': { VALUE: 'dvr.m3u8' },
      'cinelog.dvr.seconds': { VALUE: String(this.dvrSeconds) },
    };
    tell(event, { sessionData });
  }
}

function watching(at: number, dvrSeconds = 14_400) {
  const element = document.createElement('video');
  vi.spyOn(element, 'readyState', 'get').mockReturnValue(element.HAVE_ENOUGH_DATA);
  element.currentTime = at;
  const players: Loaded[] = [];
  const open = () => {
    const made = new Loaded(element, dvrSeconds);
    players.push(made);
    return made as unknown as Hls;
  };
  const live = attachLive(Hls, element, { url: EDGE, since: () => BEGUN, playing: true }, open);
  return { element, live, lists: () => players.map((made) => made.loadSource.mock.calls[0]?.[0]) };
}

describe('a viewer of a live', () => {
  const DVR = new URL('dvr.m3u8', EDGE).href;

  beforeEach(() => {
    vi.spyOn(Date, 'now').mockReturnValue((BEGUN + AGE) * 1000);
  });

  it('goes back by the other list to what the one of the edge has lost', () => {
    const { element, live, lists } = watching(AGE);
    live.goTo(BEGUN + AGE - 40);
    expect(element.currentTime).toBe(AGE - 40);
    live.goTo(BEGUN + 60);
    expect(lists()).toEqual([EDGE, DVR]);
  });

  it('goes on at their place after a long pause', () => {
    const { element, lists } = watching(AGE - 300);
    element.dispatchEvent(new Event('play'));
    expect(lists()).toEqual([EDGE, DVR]);
  });

  it('stays with the list that has their place after a short pause', () => {
    const { element, lists } = watching(AGE - 30);
    element.dispatchEvent(new Event('play'));
    expect(lists()).toEqual([EDGE]);
  });

  it('cannot seek what the lists are about to lose', () => {
    expect(watching(AGE, 120).live.timeline()?.from).toBe(BEGUN + AGE - 120 + 12);
    expect(watching(AGE, 0).live.timeline()?.from).toBe(BEGUN + AGE - 60 + 12);
    expect(watching(AGE).live.timeline()?.from).toBe(BEGUN);
  });
});
