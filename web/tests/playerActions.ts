import { vi } from 'vitest';

import type { PlayerActions } from '../src/player/actions';

/** Actions that only note that they were asked for. */
export const fakeActions = () =>
  ({
    play: vi.fn(),
    pause: vi.fn(),
    togglePlay: vi.fn(),
    seekTo: vi.fn(),
    seekBy: vi.fn(),
    playFrom: vi.fn(),
    seekToShare: vi.fn(),
    setVolume: vi.fn(),
    toggleMute: vi.fn(),
    setRate: vi.fn(),
    changeRate: vi.fn(),
    stepFrame: vi.fn(),
    toggleCaptions: vi.fn(),
    toggleFullscreen: vi.fn(),
    togglePictureInPicture: vi.fn(),
  }) satisfies PlayerActions;
