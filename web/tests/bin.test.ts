import { describe, expect, it } from 'vitest';

import type { Video } from '../src/api/models';
import { isBinned, timeLeft } from '../src/videos/bin';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const live = (ended: boolean) => ({ live: { ended } }) as Video;
const video = { live: null } as Video;

describe('the bin', () => {
  it('has everything but what is live now, where there is one', () => {
    expect(isBinned(video, 30)).toBe(true);
    expect(isBinned(live(true), 30)).toBe(true);
    expect(isBinned(live(false), 30)).toBe(false);
    expect(isBinned(video, 0)).toBe(false);
  });

  it('says how long something stays', () => {
    expect(timeLeft('2026-01-31T12:00:00Z', NOW)).toBe('30 days left');
    expect(timeLeft('2026-01-03T11:00:00Z', NOW)).toBe('2 days left');
    expect(timeLeft('2026-01-02T11:00:00Z', NOW)).toBe('Deleted within a day');
    expect(timeLeft('2025-12-31T12:00:00Z', NOW)).toBe('Deleted within a day');
  });
});
