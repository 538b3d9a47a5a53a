import Hls from 'hls.js';
import { describe, expect, it, vi } from 'vitest';

import { playerActions } from '../src/player/actions';
import { patience } from '../src/player/patience';

describe('what cannot be loaded', () => {
  const again = patience(Hls).fragLoadPolicy?.default.errorRetry;
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

it('digits jump to tenths of the whole film, also while it grows', () => {
  const video = document.createElement('video');
  vi.spyOn(video, 'duration', 'get').mockReturnValue(90);
  const film = { timeline: () => null, goTo: vi.fn() };
  const actions = playerActions({ current: video }, { current: null }, film, () => 120);
  actions.seekToShare(0.5);
  expect(video.currentTime).toBe(60);
  // What is not there yet can't be shown.
  actions.seekToShare(0.9);
  expect(video.currentTime).toBe(90);
});
