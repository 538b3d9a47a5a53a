import Hls from 'hls.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { playerActions } from '../src/player/actions';
import { Outage, patience, watchNetwork } from '../src/player/patience';
import { answerRequests } from './requests';

describe('what cannot be loaded', () => {
  const again = patience(Hls, new Outage(() => undefined)).fragLoadPolicy?.default.errorRetry;
  const tried = (times: number, code: number, otherwise: boolean) =>
    again?.shouldRetry?.(again, times, false, { url: '', code }, otherwise);

  it('is asked for without end while the network is away, each second', () => {
    for (const code of [0, 429, 502, 503, 504]) expect(tried(10_000, code, false)).toBe(true);
    expect(again?.maxRetryDelayMs).toBe(1_000);
    // Until that number hls.js pauses between two tries.
    expect(again?.maxNumRetry).toBe(Infinity);
  });

  it('is given up where the server says no', () => {
    expect(tried(0, 404, false)).toBe(false);
    expect(tried(2, 500, true)).toBe(true);
    expect(tried(100, 500, true)).toBe(false);
  });
});

describe('that there is no connection', () => {
  const FILM = '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n/1.ts\n#EXT-X-ENDLIST\n';
  const told = vi.fn();
  let answer: string | number;
  let asked: string[];
  let hls: Hls;
  beforeEach(() => {
    vi.useFakeTimers();
    told.mockClear();
    answer = 0;
    asked = answerRequests(() => answer);
    const outage = new Outage(told);
    hls = new Hls(patience(Hls, outage));
    watchNetwork(hls, Hls, outage);
    hls.loadSource('/film.m3u8');
  });
  afterEach(() => {
    hls.destroy();
    vi.useRealTimers();
  });

  it('is said once while the first playlist is asked for, until it comes', async () => {
    await vi.advanceTimersByTimeAsync(20_000);
    expect(told.mock.calls).toEqual([[true]]);
    answer = FILM;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(told.mock.calls).toEqual([[true], [false]]);
  });

  it('is over with its film, which others may follow', async () => {
    await vi.advanceTimersByTimeAsync(20_000);
    hls.destroy();
    expect(told.mock.calls).toEqual([[true], [false]]);
  });

  it('stops nothing when the network is back', async () => {
    await vi.advanceTimersByTimeAsync(20_000);
    const before = asked.length;
    window.dispatchEvent(new Event('online'));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(asked.length).toBeGreaterThan(before);
  });
});

it('digits jump to tenths of the whole film, also while it grows', () => {
  const video = document.createElement('video');
  vi.spyOn(video, 'duration', 'get').mockReturnValue(90);
  const film = { timeline: () => null, goTo: vi.fn(), frameRate: () => 25 };
  const actions = playerActions({ current: video }, { current: null }, film, () => 120);
  actions.seekToShare(0.5);
  expect(video.currentTime).toBe(60);
  // What is not there yet can't be shown.
  actions.seekToShare(0.9);
  expect(video.currentTime).toBe(90);
});
