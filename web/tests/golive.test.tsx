import { act, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { session } from '../src/auth/session';
import { captureProblem } from '../src/golive/capture';
import { credentialsOf } from '../src/golive/sdp';
import GoLivePage from '../src/pages/GoLivePage';
import { ANSWER, OFFER } from './descriptions';
import {
  aStream,
  withKey,
  expectAccessible,
  failure,
  fakeApi,
  renderAt,
  success,
  tokenFor,
} from './stage';

const STREAMS = '/api/v1/live/streams';
const RESOURCE = '/api/v1/live/whip/v1.abc';

class FakeTrack extends EventTarget {
  enabled = true;
  stopped = false;
  constructor(readonly kind: string) {
    super();
  }
  stop() {
    this.stopped = true;
  }
  getSettings() {
    return { deviceId: 'd1' };
  }
}

class FakeStream {
  constructor(readonly tracks: FakeTrack[]) {}
  getTracks() {
    return this.tracks;
  }
  getAudioTracks() {
    return this.tracks.filter(({ kind }) => kind === 'audio');
  }
  getVideoTracks() {
    return this.tracks.filter(({ kind }) => kind === 'video');
  }
}

class FakeConnection extends EventTarget {
  static all: FakeConnection[] = [];
  connectionState = 'new';
  localDescription: { sdp: string } | null = null;
  remoteDescription: { sdp: string } | null = null;
  onconnectionstatechange: (() => void) | null = null;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  restarts = 0;
  constructor() {
    super();
    FakeConnection.all.push(this);
  }
  addTransceiver() {
    return { setCodecPreferences: () => undefined };
  }
  setConfiguration() {}
  createOffer(options?: { iceRestart?: boolean }) {
    if (options?.iceRestart) this.restarts += 1;
    return Promise.resolve({ type: 'offer', sdp: OFFER });
  }
  setLocalDescription(description: { sdp: string }) {
    this.localDescription = description;
    this.onicecandidate?.({ candidate: { candidate: 'candidate:7', usernameFragment: 'mine' } });
    return Promise.resolve();
  }
  setRemoteDescription(description: { sdp: string }) {
    this.remoteDescription = description;
    this.become('connected');
    return Promise.resolve();
  }
  become(state: string) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
    this.dispatchEvent(new Event('connectionstatechange'));
  }
  getStats() {
    return Promise.resolve(new Map());
  }
  getSenders() {
    return [];
  }
  close() {
    this.connectionState = 'closed';
  }
}

const running = { clips_by: 'everyone', status: 'active', video_id: 'v1' } as const;

const published = () =>
  new Response(ANSWER, { status: 201, headers: { Location: RESOURCE, ETag: '"one"' } });

const API = {
  'GET /api/v1/users/me': () => success({ id: 'u1', default_visibility: 'public' }),
  [`GET ${STREAMS}`]: () => success([aStream()]),
  [`GET ${STREAMS}/s1`]: () => success(aStream(running)),
  [`POST ${STREAMS}/s1/whip`]: published,
  [`PATCH ${RESOURCE}`]: () => new Response(null, { status: 204 }),
  [`DELETE ${RESOURCE}`]: () => new Response(null, { status: 200 }),
  [`POST ${STREAMS}/s1/complete`]: () => success(aStream()),
};

const camera = () => new FakeStream([new FakeTrack('video'), new FakeTrack('audio')]);

function fakeDevices(open: () => Promise<FakeStream>) {
  const devices = Object.assign(new EventTarget(), {
    getUserMedia: open,
    getDisplayMedia: open,
    enumerateDevices: () => Promise.resolve([]),
  });
  Object.defineProperty(navigator, 'mediaDevices', { configurable: true, value: devices });
}

beforeEach(() => {
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
  FakeConnection.all = [];
  vi.stubGlobal('RTCPeerConnection', FakeConnection);
  vi.stubGlobal('RTCRtpSender', { getCapabilities: () => null });
});

afterEach(() => {
  vi.useRealTimers();
  Reflect.deleteProperty(navigator, 'mediaDevices');
});

async function goLive() {
  const view = renderAt(<GoLivePage />, '/live/now');
  await userEvent.click(await screen.findByRole('button', { name: 'Use camera' }));
  await userEvent.click(await screen.findByRole('button', { name: 'Go live' }));
  await screen.findByText(/^You are live/);
  return view;
}

describe('going live', () => {
  it('asks for a camera first, and is accessible before and after', async () => {
    fakeApi(API);
    fakeDevices(() => Promise.resolve(camera()));
    const { container } = renderAt(<GoLivePage />, '/live/now');
    expect(await screen.findByRole('button', { name: 'Go live' })).toBeDisabled();
    await expectAccessible(container);
    await userEvent.click(screen.getByRole('button', { name: 'Use camera' }));
    expect(await screen.findByRole('meter', { name: 'Loudness' })).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'Go live' }));
    expect(await screen.findByText(/^You are live/)).toBeVisible();
    await expectAccessible(container);
  });

  it('sends as the owner, without a key, and tells its candidates', async () => {
    const requests = fakeApi(API);
    fakeDevices(() => Promise.resolve(camera()));
    await goLive();
    await vi.waitFor(() => expect(requests.some(({ method }) => method === 'PATCH')).toBe(true));
    const patch = requests.find(({ method }) => method === 'PATCH');
    expect(patch?.headers.get('If-Match')).toBe('"one"');
    expect(patch?.headers.get('Authorization')).toMatch(/^Bearer /);
    expect(await patch?.clone().text()).toContain('a=candidate:7\r\n');
    expect(requests.some(({ url }) => url.endsWith('/key'))).toBe(false);
    expect(await screen.findByLabelText('Link for viewers')).toHaveValue(
      `${window.location.origin}/watch/v1`,
    );
  });

  it('makes a stream once, however often it is tried', async () => {
    let made = 0;
    const requests = fakeApi({
      ...API,
      [`GET ${STREAMS}`]: () => success([]),
      [`GET ${STREAMS}/s9`]: () => success(aStream({ ...running, id: 's9' })),
      [`POST ${STREAMS}/s9/whip`]: published,
      [`POST ${STREAMS}`]: () => {
        made += 1;
        return made === 1
          ? failure(503, 'Busy.')
          : success(withKey(aStream({ ...running, id: 's9' }), 'k'), 201);
      },
    });
    fakeDevices(() => Promise.resolve(camera()));
    renderAt(<GoLivePage />, '/live/now');
    await userEvent.click(await screen.findByRole('button', { name: 'Use camera' }));
    await userEvent.type(await screen.findByLabelText('Title'), 'Walk');
    await userEvent.click(screen.getByRole('button', { name: 'Go live' }));
    await screen.findByRole('alert');
    await userEvent.click(screen.getByRole('button', { name: 'Go live' }));
    await screen.findByText(/^You are live/);
    const keys = requests
      .filter(({ method, url }) => method === 'POST' && url.endsWith(STREAMS))
      .map(({ headers }) => headers.get('idempotency-key'));
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
    expect(keys[0]).not.toBeNull();
  });

  it('mutes, hides the picture, and ends after asking', async () => {
    const requests = fakeApi(API);
    const media = camera();
    fakeDevices(() => Promise.resolve(media));
    await goLive();
    await userEvent.click(screen.getByRole('button', { name: 'Mute' }));
    await userEvent.click(screen.getByRole('button', { name: 'Picture off' }));
    expect(media.tracks.map(({ enabled }) => enabled)).toEqual([false, false]);
    await screen.findByLabelText('Link for viewers');
    await userEvent.click(screen.getByRole('button', { name: 'End the live' }));
    await userEvent.click(screen.getByRole('button', { name: 'End' }));
    expect(await screen.findByText('The live has ended.')).toBeVisible();
    expect(screen.getByRole('link', { name: 'Watch the video' })).toHaveAttribute(
      'href',
      '/watch/v1',
    );
    const said = requests.map(({ method, url }) => `${method} ${new URL(url).pathname}`);
    expect(said).toContain(`DELETE ${RESOURCE}`);
    await vi.waitFor(() => expect(media.tracks.every(({ stopped }) => stopped)).toBe(true));
  });

  it('warns before the tab closes, while it is live only', async () => {
    fakeApi(API);
    fakeDevices(() => Promise.resolve(camera()));
    await goLive();
    const closing = new Event('beforeunload', { cancelable: true });
    window.dispatchEvent(closing);
    expect(closing.defaultPrevented).toBe(true);
  });

  it('restarts ICE after a loss', async () => {
    const restarted = () =>
      new Response('a=ice-ufrag:new\r\na=ice-pwd:newer\r\na=candidate:9\r\n', {
        status: 200,
        headers: { ETag: '"two"' },
      });
    const requests = fakeApi({
      ...API,
      [`PATCH ${RESOURCE}`]: (request) =>
        request.headers.get('If-Match') === '*' ? restarted() : new Response(null, { status: 204 }),
    });
    fakeDevices(() => Promise.resolve(camera()));
    await goLive();
    const [connection] = FakeConnection.all;
    act(() => connection?.become('failed'));
    expect(await screen.findByText(/^The connection is lost/)).toBeVisible();
    expect(await screen.findByText(/^You are live/)).toBeVisible();
    expect(connection?.restarts).toBe(1);
    expect(credentialsOf(connection?.remoteDescription?.sdp ?? '').username).toBe('new');
    const posts = requests.filter(({ url }) => url.endsWith('/whip'));
    expect(posts).toHaveLength(1);
  });

  it('makes a new offer where the server has no connection any more', async () => {
    const requests = fakeApi({
      ...API,
      [`PATCH ${RESOURCE}`]: () => failure(404, 'This connection has ended.'),
    });
    fakeDevices(() => Promise.resolve(camera()));
    await goLive();
    act(() => FakeConnection.all[0]?.become('failed'));
    await screen.findByText(/^The connection is lost/);
    await screen.findByText(/^You are live/);
    expect(requests.filter(({ url }) => url.endsWith('/whip'))).toHaveLength(2);
  });

  it('does not begin again what was ended elsewhere', async () => {
    let current: string | null = 'v1';
    fakeApi({
      ...API,
      [`GET ${STREAMS}/s1`]: () => success(aStream({ ...running, video_id: current })),
      [`PATCH ${RESOURCE}`]: () => failure(404, 'This connection has ended.'),
    });
    fakeDevices(() => Promise.resolve(camera()));
    await goLive();
    current = null;
    act(() => FakeConnection.all[0]?.become('failed'));
    expect(await screen.findByText('The live has ended.')).toBeVisible();
  });

  it('says why it is refused', async () => {
    fakeApi({
      ...API,
      [`POST ${STREAMS}/s1/whip`]: () => failure(409, 'Another program sends to this live stream.'),
    });
    fakeDevices(() => Promise.resolve(camera()));
    renderAt(<GoLivePage />, '/live/now');
    await userEvent.click(await screen.findByRole('button', { name: 'Use camera' }));
    await userEvent.click(await screen.findByRole('button', { name: 'Go live' }));
    expect(await screen.findByText('Another program sends to this live stream.')).toBeVisible();
  });

  it('says what to do without a camera or a permission', async () => {
    fakeApi(API);
    fakeDevices(() => Promise.reject(new DOMException('', 'NotAllowedError')));
    renderAt(<GoLivePage />, '/live/now');
    await userEvent.click(await screen.findByRole('button', { name: 'Use camera' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('Allow both');
    const names = ['NotFoundError', 'NotReadableError', 'OverconstrainedError', 'SecurityError'];
    const said = names.map((name) => captureProblem(new DOMException('', name), 'camera'));
    expect(new Set(said).size).toBe(names.length);
    expect(captureProblem(new DOMException('', 'NotAllowedError'), 'screen')).toContain('shared');
  });
});
