import { renderHook } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { playerActions } from '../src/player/actions';
import { usePreferences } from '../src/player/preferences';
import { nextRate } from '../src/player/rates';
import { keepPosition, leftAt } from '../src/player/resume';

const LENGTH = 600;

describe('where a film was left', () => {
  it('is kept for a film, and forgotten at its end', () => {
    expect(leftAt('a')).toBe(0);
    keepPosition('a', 90.6, LENGTH);
    keepPosition('b', 30, LENGTH);
    expect([leftAt('a'), leftAt('b')]).toEqual([90, 30]);
    keepPosition('a', LENGTH - 5, LENGTH);
    expect([leftAt('a'), leftAt('b')]).toEqual([0, 30]);
  });

  it('is its beginning when it was hardly begun, or begun anew', () => {
    keepPosition('a', 9, LENGTH);
    expect(leftAt('a')).toBe(0);
    keepPosition('a', 90, LENGTH);
    keepPosition('a', 3, LENGTH);
    expect(leftAt('a')).toBe(0);
  });

  it('is known before the length is', () => {
    keepPosition('a', 90, 0);
    expect(leftAt('a')).toBe(90);
  });

  it('is kept of the latest hundred', () => {
    for (let number = 0; number < 150; number += 1) keepPosition(`v${number}`, 60, LENGTH);
    expect(leftAt('v49')).toBe(0);
    expect(leftAt('v50')).toBe(60);
    expect(leftAt('v149')).toBe(60);
  });

  it.each(['', 'null', '[1]', '{"a":"x"}', '{"a":-1}', '{'])('is nowhere in %j', (stored) => {
    localStorage.setItem('cinelog.positions', stored);
    expect(leftAt('a')).toBe(0);
    keepPosition('a', 90, LENGTH);
    expect(leftAt('a')).toBe(90);
  });
});

describe('how it was played', () => {
  const opened = (live = false, muted = false) => {
    const video = document.createElement('video');
    video.muted = muted;
    renderHook(() => usePreferences({ current: video }, { muted }, live));
    return video;
  };

  it('volume and silence are kept', () => {
    const first = opened();
    first.volume = 0.25;
    first.muted = true;
    first.dispatchEvent(new Event('volumechange'));
    const second = opened();
    expect([second.volume, second.muted]).toEqual([0.25, true]);
    // A player that has to begin in silence says nothing of what its viewer wants.
    second.muted = false;
    second.dispatchEvent(new Event('volumechange'));
    expect(opened(false, true).muted).toBe(true);
    expect(opened().muted).toBe(false);
  });

  it('speed is kept for films', () => {
    const video = opened();
    const none = { timeline: () => null, goTo: vi.fn(), frameRate: () => 25 };
    const actions = playerActions({ current: video }, { current: null }, none, () => 60);
    actions.changeRate(1);
    actions.changeRate(1);
    expect([video.playbackRate, video.defaultPlaybackRate]).toEqual([1.5, 1.5]);
    expect(opened().playbackRate).toBe(1.5);
    expect(opened(true).playbackRate).toBe(1);
    localStorage.setItem('cinelog.rate', '77');
    expect(opened().playbackRate).toBe(1);
  });

  it('there is nothing beyond the fastest and the slowest', () => {
    expect([nextRate(2, 1), nextRate(0.5, -1), nextRate(1.1, 1), nextRate(1.1, -1)]).toEqual([
      2, 0.5, 1.25, 1,
    ]);
  });

  it('a step is one picture, and stops the film', () => {
    const video = opened();
    const pause = vi.spyOn(video, 'pause').mockImplementation(() => undefined);
    const film = { timeline: () => null, goTo: vi.fn(), frameRate: () => 50 };
    const actions = playerActions({ current: video }, { current: null }, film, () => 60);
    video.currentTime = 1;
    actions.stepFrame(1);
    expect(video.currentTime).toBeCloseTo(1.02);
    actions.stepFrame(-1);
    actions.stepFrame(-1);
    expect(video.currentTime).toBeCloseTo(0.98);
    expect(pause).toHaveBeenCalledTimes(3);
  });
});
