import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { fireEvent, render, screen } from '@testing-library/react';
import { expect, it, vi } from 'vitest';

import { Player } from '../src/player/Player';

vi.mock('../src/player/useHls', () => ({
  useHls: () => ({
    qualities: [],
    chosen: -1,
    playing: null,
    error: null,
    away: false,
    choose: vi.fn(),
    sounds: [],
    sound: 0,
    chooseSound: vi.fn(),
    timeline: () => null,
    goTo: vi.fn(),
    facts: () => null,
    frameRate: () => 25,
    retry: vi.fn(),
  }),
}));

const noRanges = { length: 0, start: () => 0, end: () => 0 };

it.each(['film', 'live'] as const)(
  'the button in the middle of a %s stays until it plays',
  (kind) => {
    render(
      <QueryClientProvider client={new QueryClient()}>
        {' '}
        <Player
          src="a.m3u8"
          kind={kind}
          title="A walk"
          by="mara"
          poster=""
          storyboardUrl={null}
          captions={[]}
          chapters={[]}
          aspectRatio={1.8}
          knownDuration={60}
          opening={{ start: 0, autoplay: false, muted: false, loop: false }}
          fill={false}
          onWatched={vi.fn()}
        />
      </QueryClientProvider>,
    );
    const video = screen.getByLabelText<HTMLVideoElement>('A walk', { selector: 'video' });
    let played = 0;
    Object.defineProperties(video, {
      played: { get: () => ({ ...noRanges, length: played }) },
      buffered: { value: noRanges },
      seekable: { value: noRanges },
    });
    // A live that has become a film is where the live was.
    video.currentTime = 5;
    fireEvent.timeUpdate(video);
    expect(screen.getByRole('button', { name: 'Play A walk' })).toBeVisible();
    played = 1;
    fireEvent.timeUpdate(video);
    expect(screen.queryByRole('button', { name: 'Play A walk' })).toBeNull();
  },
);
