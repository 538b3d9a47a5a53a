import { render, screen } from '@testing-library/react';
import { useRef } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { readUsername, writeUsername } from '../src/auth/tokens';
import { keepChoice, storedChoice } from '../src/player/captionChoice';
import { keepRate, playsNext, usePreferences } from '../src/player/preferences';
import { keepPosition, leftAt } from '../src/player/resume';
import { kept, keptForTab } from '../src/ui/kept';
import { setTheme } from '../src/ui/theme';
import { firstViewOfSession } from '../src/watch/views';

/** As a browser that keeps nothing for this site, in a frame of another one. */
function block() {
  for (const name of ['localStorage', 'sessionStorage'] as const) {
    vi.spyOn(window, name, 'get').mockImplementation(() => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    });
  }
}

function Film() {
  const video = useRef<HTMLVideoElement>(null);
  usePreferences(video, { muted: false }, false);
  return (
    <video ref={video} aria-label="Film">
      <track kind="captions" />
    </video>
  );
}

describe('a browser that keeps nothing', () => {
  beforeEach(block);
  afterEach(() => {
    // Other files' tests are on the same page.
    vi.restoreAllMocks();
    for (const name of ['volume', 'muted', 'rate', 'positions', 'next', 'captions']) {
      kept.remove(`cinelog.${name}`);
    }
    keptForTab.remove('cinelog.viewed');
  });

  it('plays, and knows until the page goes', () => {
    render(<Film />);
    const film = screen.getByLabelText<HTMLVideoElement>('Film');
    film.volume = 0.5;
    film.dispatchEvent(new Event('volumechange'));
    keepRate(1.5);
    keepPosition('blocked', 90, 600);
    playsNext.set(false);
    keepChoice({ ...storedChoice(), on: true });
    expect(leftAt('blocked')).toBe(90);
    expect(playsNext.get()).toBe(false);
    expect(storedChoice().on).toBe(true);
  });

  it('shows themes, counts views, signs in and out', () => {
    setTheme('dark');
    setTheme('system');
    expect([firstViewOfSession('blocked'), firstViewOfSession('blocked')]).toEqual([true, false]);
    writeUsername('mara');
    expect(readUsername()).toBe('mara');
    writeUsername(null);
    expect(readUsername()).toBeNull();
  });
});

it('what does not fit is known until the page goes, and kept as soon as it fits', () => {
  kept.set('size', 'old');
  const full = vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
    throw new DOMException('full', 'QuotaExceededError');
  });
  kept.set('size', 'new');
  expect(kept.get('size')).toBe('new');
  expect(localStorage.getItem('size')).toBe('old');
  full.mockRestore();
  kept.set('size', 'newer');
  expect(localStorage.getItem('size')).toBe('newer');
  kept.remove('size');
  expect(kept.get('size')).toBeNull();
});
