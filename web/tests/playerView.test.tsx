import { act, fireEvent, render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { useLocation } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { playsNext } from '../src/player/preferences';
import { ShortcutHelp } from '../src/player/ShortcutHelp';
import { Statistics } from '../src/player/Statistics';
import { useMediaSession } from '../src/player/useMediaSession';
import { useRemote } from '../src/player/useRemote';
import { useTaps } from '../src/player/useTaps';
import { EndScreen } from '../src/watch/EndScreen';
import { fakeActions } from './playerActions';
import { aVideo, expectAccessible, renderAt } from './stage';

it('tells what the keys do', async () => {
  function Help() {
    const [open, setOpen] = useState(true);
    return <ShortcutHelp open={open} onClose={() => setOpen(false)} />;
  }
  render(<Help />);
  const dialog = screen.getByRole('dialog', { name: 'Keyboard shortcuts' });
  expect(screen.getByText('Back or forward one picture')).toBeVisible();
  await expectAccessible(dialog);
});

it('shows how the film is played', () => {
  const video = document.createElement('video');
  video.getVideoPlaybackQuality = () =>
    ({ droppedVideoFrames: 3, totalVideoFrames: 250 }) as VideoPlaybackQuality;
  const facts = () => ({
    codecs: 'avc1.64001f, mp4a.40.2',
    bitrate: 2_000_000,
    bandwidth: 35_500_000,
    frameRate: 25,
    latency: 1.94,
  });
  render(<Statistics video={{ current: video }} facts={facts} />);
  const shown = screen.getByLabelText('Statistics');
  for (const part of ['3 of 250', 'avc1.64001f', '2.00 Mbit/s', '35.50 Mbit/s', '1.9 s']) {
    expect(shown).toHaveTextContent(part);
  }
});

describe('after a film', () => {
  beforeEach(() => vi.useFakeTimers({ shouldAdvanceTime: true }));
  afterEach(() => vi.useRealTimers());

  const next = aVideo({ id: 'v2', title: 'The second one' });
  function Page() {
    const { pathname, ...location } = useLocation();
    const state: unknown = location.state;
    return (
      <>
        <p data-testid="place">{`${pathname} ${JSON.stringify(state)}`}</p>
        <textarea aria-label="Message" />
        {pathname === '/' && <EndScreen next={next} />}
      </>
    );
  }
  const pass = (seconds: number) => act(() => vi.advanceTimersByTimeAsync(seconds * 1_000));
  const there = '/watch/v2 {"play":true}';

  it('the next one plays by itself', async () => {
    const { container } = renderAt(<Page />);
    await expectAccessible(container);
    expect(screen.getByText('The second one')).toBeVisible();
    await pass(9);
    await waitFor(() => expect(screen.getByTestId('place')).toHaveTextContent(there));
  });

  it('the next one waits for who writes, and plays at once for who asks', async () => {
    renderAt(<Page />);
    screen.getByLabelText('Message').focus();
    await pass(30);
    fireEvent.click(screen.getByRole('button', { name: 'Play now' }));
    await waitFor(() => expect(screen.getByTestId('place')).toHaveTextContent(there));
  });

  it('nothing begins where somebody said no, now or for good', async () => {
    const first = renderAt(<Page />);
    fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
    await pass(30);
    expect(screen.getByTestId('place')).toHaveTextContent('/ null');
    fireEvent.click(screen.getByRole('checkbox'));
    expect(playsNext.get()).toBe(false);
    first.unmount();
    renderAt(<Page />);
    await pass(30);
    expect(screen.getByTestId('place')).toHaveTextContent('/ null');
    fireEvent.click(screen.getByRole('checkbox'));
    await pass(9);
    await waitFor(() => expect(screen.getByTestId('place')).toHaveTextContent(there));
  });
});

describe('presses on the picture', () => {
  function Picture({ did, hidden }: { did: ReturnType<typeof fakeActions>; hidden: boolean }) {
    // eslint-disable-next-line jsx-a11y/media-has-caption
    return <video aria-label="Film" {...useTaps(did, hidden)} />;
  }
  const shown = (hidden = false) => {
    const did = fakeActions();
    render(<Picture did={did} hidden={hidden} />);
    const film = screen.getByLabelText('Film');
    film.getBoundingClientRect = () => new DOMRect(0, 0, 300, 200);
    const tap = (clientX: number) => {
      const event = new MouseEvent('click', { bubbles: true, clientX });
      Object.defineProperty(event, 'pointerType', { value: 'touch' });
      fireEvent(film, event);
    };
    return { did, film, tap };
  };

  it('a mouse plays and pauses; twice is full screen', async () => {
    const { did, film } = shown();
    await userEvent.dblClick(film);
    expect(did.togglePlay).toHaveBeenCalledTimes(2);
    expect(did.toggleFullscreen).toHaveBeenCalledOnce();
  });

  it('a finger shows the controls before it plays or pauses', () => {
    const { did, tap } = shown(true);
    tap(150);
    expect(did.togglePlay).not.toHaveBeenCalled();
  });

  it.each([
    [20, -10],
    [280, 10],
  ])('twice by a finger at %i seeks by %i', (place, seconds) => {
    const { did, tap } = shown();
    tap(place);
    tap(place);
    expect(did.seekBy.mock.calls).toEqual([[seconds]]);
    // It goes on as it was.
    expect(did.togglePlay).toHaveBeenCalledTimes(2);
    // A third is a new one.
    tap(place);
    expect(did.seekBy).toHaveBeenCalledOnce();
  });

  it('twice in the middle is full screen', () => {
    const { did, tap } = shown();
    tap(150);
    tap(150);
    expect(did.toggleFullscreen).toHaveBeenCalledOnce();
  });
});

it('keys of a lock screen steer what plays, and nothing before', () => {
  const handlers = new Map<string, MediaSessionActionHandler | null>();
  const mediaSession = {
    metadata: null as { title: string } | null,
    setActionHandler: (name: string, handler: MediaSessionActionHandler | null) => {
      if (name === 'seekto') throw new TypeError('unknown');
      handlers.set(name, handler);
    },
  };
  vi.stubGlobal('navigator', Object.assign(Object.create(navigator), { mediaSession }));
  vi.stubGlobal(
    'MediaMetadata',
    class {
      constructor(public facts: object) {
        Object.assign(this, facts);
      }
    },
  );
  const did = fakeActions();
  const film = { title: 'A walk', by: 'mara', poster: '/poster.webp' };
  function Film({ begun }: { begun: boolean }) {
    useMediaSession(film, did, begun);
    return null;
  }
  const { rerender, unmount } = render(<Film begun={false} />);
  expect(handlers.size).toBe(0);
  rerender(<Film begun />);
  expect(mediaSession.metadata).toMatchObject({ title: 'A walk', artist: 'mara' });
  handlers.get('pause')?.({ action: 'pause' });
  handlers.get('seekbackward')?.({ action: 'seekbackward' });
  expect(did.pause).toHaveBeenCalledOnce();
  expect(did.seekBy).toHaveBeenCalledWith(-10);
  unmount();
  expect(mediaSession.metadata).toBeNull();
  expect([...handlers.values()]).toEqual([null, null, null, null]);
});

it('another screen is offered where there is one', async () => {
  let tell: (available: boolean) => void = () => undefined;
  const prompt = vi.fn(() => Promise.reject(new Error('nobody chose')));
  const video = document.createElement('video');
  const cancel = vi.fn(() => Promise.resolve());
  Object.defineProperty(video, 'remote', {
    value: {
      watchAvailability: (told: (available: boolean) => void) => {
        tell = told;
        return Promise.resolve(7);
      },
      cancelWatchAvailability: cancel,
      prompt,
    },
  });
  function Screens() {
    const remote = useRemote({ current: video });
    return remote.available ? <button onClick={remote.choose}>Elsewhere</button> : null;
  }
  const { unmount } = render(<Screens />);
  expect(screen.queryByRole('button')).toBeNull();
  await act(async () => {
    tell(true);
    await Promise.resolve();
  });
  fireEvent.click(screen.getByRole('button', { name: 'Elsewhere' }));
  expect(prompt).toHaveBeenCalledOnce();
  unmount();
  expect(cancel).toHaveBeenCalledWith(7);
});
