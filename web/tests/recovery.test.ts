import Hls from 'hls.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Kind } from '../src/player/attachHls';
import { Outage, patience } from '../src/player/patience';
import { watchFailures } from '../src/player/recovery';
import { answerRequests } from './requests';

const RENDITIONS = `#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360
/low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1600000,RESOLUTION=1280x720
/high.m3u8
`;

const film = (rendition: string) => `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:4,
/${rendition}/1.ts
#EXTINF:4,
/${rendition}/2.ts
#EXT-X-ENDLIST
`;

const LISTS: Record<string, string> = {
  '/film.m3u8': RENDITIONS,
  '/low.m3u8': film('low'),
  '/high.m3u8': film('high'),
};

describe('a film whose network is there', () => {
  let hls: Hls;
  const tell = vi.fn();
  beforeEach(() => {
    vi.useFakeTimers();
    tell.mockClear();
  });
  afterEach(() => {
    hls.destroy();
    vi.useRealTimers();
  });

  /** Plays, and returns what was asked for. */
  function play(answer: (path: string) => string | number, kind: Kind = 'film'): string[] {
    const asked = answerRequests(answer);
    const config = { startPosition: 0, startFragPrefetch: true, enableWorker: false };
    hls = new Hls({ ...patience(Hls, new Outage(() => undefined)), ...config });
    watchFailures(hls, Hls, kind, tell);
    hls.loadSource('/film.m3u8');
    return asked;
  }

  async function isGivenUp(asked: string[], words: string) {
    await vi.advanceTimersByTimeAsync(60_000);
    expect(tell.mock.calls).toEqual([[words]]);
    const before = asked.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(before);
  }

  it('is given up where its segments are gone, and no rendition has them', async () => {
    const asked = play((path) => LISTS[path] ?? 404);
    await isGivenUp(asked, 'This video is not available.');
    expect(asked).toContain('/low/1.ts');
    expect(asked).toContain('/high/1.ts');
  });

  it.each(['/film.m3u8', '/low.m3u8 /high.m3u8'])('is given up where %s is gone', async (gone) => {
    const asked = play((path) => (gone.includes(path) ? 404 : (LISTS[path] ?? 503)));
    await isGivenUp(asked, 'This video is not available.');
  });

  it.each(['/film.m3u8', '/low.m3u8 /high.m3u8', '/low/1.ts /high/1.ts'])(
    'is given up where %s fails again and again',
    async (broken) => {
      const asked = play((path) => (broken.includes(path) ? 500 : (LISTS[path] ?? 503)));
      await isGivenUp(asked, 'The video could not be loaded.');
    },
  );

  it('is given up where a segment can’t be read', async () => {
    const asked = play((path) => LISTS[path] ?? 'no film');
    await isGivenUp(asked, 'The video could not be loaded.');
  });

  it('goes on after a server that failed for some seconds', async () => {
    let failures = 3;
    const asked = play((path) => {
      if (path !== '/film.m3u8') return LISTS[path] ?? 503;
      return failures-- > 0 ? 500 : RENDITIONS;
    });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(tell).not.toHaveBeenCalled();
    expect(asked).toContain('/low/1.ts');
  });

  it('goes on behind what a live has lost', async () => {
    const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
    const parts = numbers.map((number) => `#EXTINF:4,\n/${number}.ts\n`);
    const live = `#EXTM3U\n#EXT-X-TARGETDURATION:4\n${parts.join('')}`;
    const asked = play((path) => (path === '/film.m3u8' ? live : 404), 'live');
    await isGivenUp(asked, 'This video is not available.');
    expect(asked).toEqual(expect.arrayContaining(numbers.map((number) => `/${number}.ts`)));
  });
});
