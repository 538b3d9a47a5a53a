import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import type { LiveHealth } from '../src/api/models';
import { session } from '../src/auth/session';
import { advice } from '../src/live/Health';
import { LiveState } from '../src/live/LiveState';
import LiveStreamPage from '../src/pages/LiveStreamPage';
import LiveStreamsPage from '../src/pages/LiveStreamsPage';
import { LivePosition } from '../src/player/LivePosition';
import { dvrOf, isAtEdge, positionOf, wayTo } from '../src/player/liveTimeline';
import { VideoCard } from '../src/videos/VideoCard';
import {
  aStream,
  withKey,
  aVideo,
  expectAccessible,
  failure,
  fakeApi,
  renderAt,
  success,
  tokenFor,
} from './stage';

const STREAMS = '/api/v1/live/streams';

const HEALTHY: LiveHealth = {
  status: 'active',
  viewers: 1234,
  width: 1920,
  height: 1080,
  frame_rate: 30,
  bit_rate: 4_500_000,
  key_frame_seconds: 2,
  video_codec: 'h264',
  audio_codec: 'aac',
  dropped: 0,
  behind_ms: 200,
};

beforeEach(() => {
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
});

describe('live streams', () => {
  it('are listed with what they are doing', async () => {
    fakeApi({
      [`GET ${STREAMS}`]: () => success([aStream({ status: 'active', video_id: 'v1' })]),
      'GET /api/v1/users/me': () => success({ id: 'u1', default_visibility: 'public' }),
    });
    const { container } = renderAt(<LiveStreamsPage />);
    expect(await screen.findByRole('link', { name: 'Evening walk' })).toHaveAttribute(
      'href',
      '/live/s1',
    );
    expect(screen.getByText('Live now')).toBeVisible();
    await expectAccessible(container);
  });

  it('are made with a title, for those whom the account shows its videos', async () => {
    const requests = fakeApi({
      [`GET ${STREAMS}`]: () => success([]),
      'GET /api/v1/users/me': () => success({ id: 'u1', default_visibility: 'unlisted' }),
      [`POST ${STREAMS}`]: () => success(withKey(aStream({ id: 's2' }), 'k1'), 201),
    });
    renderAt(<LiveStreamsPage />);
    await userEvent.type(await screen.findByLabelText('Title'), ' Evening walk ');
    await screen.findByRole('radio', { name: /Unlisted/, checked: true });
    await userEvent.click(screen.getByRole('button', { name: 'Create stream' }));
    const made = requests.find(({ method }) => method === 'POST');
    expect(await made?.clone().json()).toEqual({
      title: 'Evening walk',
      visibility: 'unlisted',
      description: '',
      latency: 'low',
      record: true,
      reconnect_seconds: 60,
      chat: true,
    });
  });
});

describe('the page of a stream', () => {
  it('shows the server, and a new key once', async () => {
    fakeApi({
      [`GET ${STREAMS}/s1`]: () => success(aStream()),
      [`POST ${STREAMS}/s1/key`]: () => success(withKey(aStream(), 'fresh-key')),
    });
    const { container } = renderAt(<LiveStreamPage />, '/live/s1', '/live/:streamId');
    expect(await screen.findByLabelText('Server')).toHaveValue('rtmp://site.example:1935/live');
    expect(screen.queryByLabelText('Stream key')).toBeNull();
    await userEvent.click(screen.getByRole('button', { name: 'New stream key' }));
    await userEvent.click(screen.getByRole('button', { name: 'New key' }));
    expect(await screen.findByLabelText('Stream key')).toHaveValue('fresh-key');
    await expectAccessible(container);
  });

  it('shows other ways to send where there are any', async () => {
    let stream = aStream({ id: 's3' });
    fakeApi({
      [`GET ${STREAMS}/s3`]: () => success(stream),
      [`POST ${STREAMS}/s3/key`]: () =>
        success({
          ...withKey(stream, 'fresh-key'),
          srt_stream_id: 'abc123',
          srt_passphrase: 'a passphrase',
        }),
    });
    const { unmount } = renderAt(<LiveStreamPage />, '/live/s3', '/live/:streamId');
    await screen.findByLabelText('Server');
    expect(screen.queryByText('Other ways to send')).toBeNull();
    unmount();
    stream = aStream({
      id: 's3',
      rtmps_url: 'rtmps://site.example:1936/live',
      srt_url: 'srt://site.example:9710',
      whip_url: '/api/v1/live/whip',
    });
    const { container } = renderAt(<LiveStreamPage />, '/live/s3', '/live/:streamId');
    await userEvent.click(await screen.findByText('Other ways to send'));
    expect(screen.getByLabelText('SRT address')).toHaveValue('srt://site.example:9710');
    expect(screen.queryByLabelText('SRT passphrase')).toBeNull();
    expect(screen.getByLabelText('Encrypted server (RTMPS)')).toHaveValue(stream.rtmps_url);
    expect(screen.getByLabelText('WHIP address')).toHaveValue(
      `${window.location.origin}/api/v1/live/whip`,
    );
    await userEvent.click(screen.getByRole('button', { name: 'New stream key' }));
    await userEvent.click(screen.getByRole('button', { name: 'New key' }));
    await vi.waitFor(() =>
      expect(screen.getByLabelText('SRT address')).toHaveValue(
        'srt://site.example:9710?streamid=abc123&passphrase=a+passphrase',
      ),
    );
    expect(screen.getByLabelText('SRT stream id')).toHaveValue('abc123');
    expect(screen.getByLabelText('SRT passphrase')).toHaveValue('a passphrase');
    expect(screen.getByLabelText('SRT passphrase')).toHaveAttribute('type', 'password');
    await expectAccessible(container);
  });

  it('ends a live after asking', async () => {
    const requests = fakeApi({
      [`GET ${STREAMS}`]: () => success([]),
      [`GET ${STREAMS}/s1`]: () => success(aStream({ status: 'active', video_id: 'v1' })),
      [`GET ${STREAMS}/s1/health`]: () => success(HEALTHY),
      [`POST ${STREAMS}/s1/complete`]: () => success(aStream()),
    });
    renderAt(<LiveStreamPage />, '/live/s1', '/live/:streamId');
    expect(await screen.findByText('1920 × 1080')).toBeVisible();
    expect(screen.getByText('1.2K')).toBeVisible();
    expect(screen.getByRole('link', { name: 'Watch' })).toHaveAttribute('href', '/watch/v1');
    await userEvent.click(screen.getByRole('button', { name: 'End the live' }));
    await userEvent.click(screen.getByRole('button', { name: 'End' }));
    expect(requests.some(({ method }) => method === 'POST')).toBe(true);
  });

  it('says that there is no such stream', async () => {
    fakeApi({ [`GET ${STREAMS}/s1`]: () => failure(404, 'There is no such stream.') });
    renderAt(<LiveStreamPage />, '/live/s1', '/live/:streamId');
    expect(await screen.findByRole('alert')).toBeVisible();
  });
});

describe('the end of a live', () => {
  it('is explained', async () => {
    const reason = 'The account has used its stored bytes.';
    fakeApi({
      [`GET ${STREAMS}/s1`]: () => success(aStream()),
      [`GET ${STREAMS}/s1/health`]: () => success({ status: 'idle', end_reason: reason }),
    });
    renderAt(<LiveStreamPage />, '/live/s1', '/live/:streamId');
    expect(await screen.findByText(`The last live ended: ${reason}`)).toBeVisible();
  });
});

describe('health', () => {
  it('is put into words', () => {
    expect(advice(HEALTHY)).toEqual(['Everything looks good.']);
    expect(advice({ ...HEALTHY, key_frame_seconds: 10, audio_codec: null })).toEqual([
      'Set the keyframe interval to 2 s: viewers see you sooner.',
      'No sound arrives.',
    ]);
  });
});

describe('a running live', () => {
  it('is marked in lists', () => {
    const live = { started_at: '2026-01-02T03:04:05Z', connected: true, latency: 'low' };
    renderAt(
      <VideoCard video={aVideo({ status: 'live', live: { ...live, ended: false, viewers: 3 } })} />,
    );
    expect(screen.getByText('LIVE')).toBeVisible();
  });

  it('says how many watch it, where that is known', () => {
    const live = { started_at: null, connected: true, latency: 'low', ended: false };
    const { rerender } = renderAt(<LiveState live={{ ...live, viewers: 1 }} />);
    expect(screen.getByText('1 watching')).toBeVisible();
    rerender(<LiveState live={{ ...live, viewers: 12_300 }} />);
    expect(screen.getByText('12.3K watching')).toBeVisible();
    rerender(<LiveState live={{ ...live, viewers: null }} />);
    expect(screen.queryByText(/watching/)).toBeNull();
  });

  it('is seen at its edge, or from behind it', () => {
    expect(isAtEdge(10, 12)).toBe(true);
    expect(isAtEdge(10, 14)).toBe(false);
    expect(isAtEdge(10, null)).toBe(true);
  });

  it('says how far behind a viewer is, and brings them back', async () => {
    const goTo = vi.fn();
    renderAt(<LivePosition timeline={{ from: 1000, until: 5000, now: 1700 }} onSeek={goTo} />);
    expect(screen.getByText('−55:00')).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'Go to live' }));
    expect(goTo).toHaveBeenCalledWith(5000);
  });

  it('tells of the playlist that reaches back', () => {
    const data: Record<string, string> = {
      'cinelog.dvr.playlist': 'dvr.m3u8',
      'cinelog.dvr.seconds': '14400',
    };
    const base = 'https://site.example/media/public/v/live/index.m3u8';
    expect(dvrOf((id) => data[id], base)).toEqual({
      url: 'https://site.example/media/public/v/live/dvr.m3u8',
      seconds: 14_400,
    });
    expect(dvrOf(() => undefined, base)).toBeNull();
  });

  it('changes the playlist only where the moment is not in the one that plays', () => {
    const at = { list: 'edge', first: 940, until: 1000, dvr: true } as const;
    expect(wayTo(960, at)).toBe('here');
    expect(wayTo(944, at)).toBe('back');
    expect(wayTo(100, { ...at, dvr: false })).toBe('here');
    expect(wayTo(999, at)).toBe('here');
    const back = { ...at, list: 'back', first: 0 } as const;
    expect(wayTo(999, back)).toBe('edge');
    expect(wayTo(960, back)).toBe('here');
    expect(wayTo(3, back)).toBe('here');
  });

  it('finds a moment in a list, also beside its gaps', () => {
    const fragments = [
      { start: 10, duration: 2, programDateTime: 1_000_000 },
      { start: 12, duration: 2, programDateTime: 1_002_000 },
      { start: 14, duration: 2, programDateTime: 1_060_000 },
    ];
    expect(positionOf(1003, fragments)).toBe(13);
    expect(positionOf(1030, fragments)).toBe(14);
    expect(positionOf(1061, fragments)).toBe(15);
    expect(positionOf(1, fragments)).toBe(10);
    expect(positionOf(9999, fragments)).toBe(16);
  });
});
