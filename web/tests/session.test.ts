import { beforeEach, describe, expect, it, vi } from 'vitest';

import { authFetch } from '../src/auth/authFetch';
import { returnQuery, safeNext } from '../src/auth/next';
import { SessionStore } from '../src/auth/session';
import { isExpired, readSession, type Session, writeSession } from '../src/auth/tokens';
import { fakeApi, failure, success, tokenFor } from './stage';

const REFRESH = 'POST /api/v1/auth/refresh';
const THING = 'GET /api/v1/thing';

const stale = tokenFor(-60, 'stale');
const fresh = tokenFor(600, 'fresh');

function signedIn(accessToken = stale): Session {
  const session = { accessToken, refreshToken: 'r1', username: 'mara' };
  writeSession(session);
  return session;
}

const renewed = () => success({ access_token: fresh, refresh_token: 'r2' });
const thing = () => new Request(new URL('/api/v1/thing', window.location.origin));

/** Web Locks as several tabs of one browser see them. */
function fakeLocks() {
  let tail: Promise<unknown> = Promise.resolve();
  const request = vi.fn((_name: string, task: () => Promise<unknown>) => {
    const run = tail.then(task, task);
    tail = run.catch(() => undefined);
    return run;
  });
  vi.stubGlobal('navigator', { locks: { request } });
  return request;
}

beforeEach(() => {
  fakeLocks();
});

describe('refreshing', () => {
  it('leaves a good token alone', async () => {
    signedIn(fresh);
    const requests = fakeApi({});
    expect(await new SessionStore().accessToken()).toBe(fresh);
    expect(requests).toHaveLength(0);
  });

  it('happens once for many requests', async () => {
    signedIn();
    const requests = fakeApi({ [REFRESH]: renewed });
    const store = new SessionStore();
    const tokens = await Promise.all([1, 2, 3, 4].map(() => store.accessToken()));
    expect(tokens).toEqual([fresh, fresh, fresh, fresh]);
    expect(requests).toHaveLength(1);
    expect(await requests[0]?.json()).toEqual({ refresh_token: 'r1' });
    expect(readSession()).toEqual({ accessToken: fresh, refreshToken: 'r2', username: 'mara' });
  });

  it('happens once for many tabs: the later one takes the tokens of the first', async () => {
    signedIn();
    const requests = fakeApi({ [REFRESH]: renewed });
    const tabs = [new SessionStore(), new SessionStore(), new SessionStore()];
    const tokens = await Promise.all(tabs.map((tab) => tab.accessToken()));
    expect(tokens).toEqual([fresh, fresh, fresh]);
    expect(requests).toHaveLength(1);
  });

  it('works without Web Locks', async () => {
    vi.stubGlobal('navigator', {});
    signedIn();
    fakeApi({ [REFRESH]: renewed });
    expect(await new SessionStore().accessToken()).toBe(fresh);
  });

  it('ends the session when the refresh token is refused', async () => {
    signedIn();
    fakeApi({ [REFRESH]: () => failure(401, 'Expired.') });
    const store = new SessionStore();
    const listener = vi.fn();
    store.subscribe(listener);
    expect(await store.accessToken()).toBeNull();
    expect(listener).toHaveBeenCalledWith(null, 'expired');
    expect(readSession()).toBeNull();
  });

  it.each([
    ['the limit', () => failure(429, 'Slow down.', { 'Retry-After': '20' })],
    ['an outage', () => failure(503, 'Down.')],
  ])('keeps the session through %s', async (_name, answer) => {
    signedIn();
    fakeApi({ [REFRESH]: answer });
    const store = new SessionStore();
    await expect(store.accessToken()).rejects.toMatchObject({ isTemporary: true });
    expect(store.current).not.toBeNull();
    expect(readSession()).not.toBeNull();
  });

  it('keeps the session without a network', async () => {
    signedIn();
    fakeApi({
      [REFRESH]: () => {
        throw new TypeError('Failed to fetch');
      },
    });
    const store = new SessionStore();
    await expect(store.accessToken()).rejects.toMatchObject({ isNetwork: true });
    expect(store.current).not.toBeNull();
  });
});

describe('authFetch', () => {
  it('carries the token', async () => {
    signedIn(fresh);
    const requests = fakeApi({ [THING]: () => success(1) });
    await authFetch(new SessionStore())(thing());
    expect(requests[0]?.headers.get('Authorization')).toBe(`Bearer ${fresh}`);
  });

  it('refreshes once and repeats when the server calls the token stale', async () => {
    const revoked = tokenFor(600, 'revoked');
    signedIn(revoked);
    const requests = fakeApi({
      [REFRESH]: renewed,
      [THING]: (request) =>
        request.headers.get('Authorization') === `Bearer ${fresh}`
          ? success('done')
          : failure(401, 'Stale.'),
    });
    const response = await authFetch(new SessionStore())(thing());
    expect(response.status).toBe(200);
    expect(requests.map((request) => new URL(request.url).pathname)).toEqual([
      '/api/v1/thing',
      '/api/v1/auth/refresh',
      '/api/v1/thing',
    ]);
  });

  it('sends nothing secret when nobody is signed in', async () => {
    const requests = fakeApi({ [THING]: () => failure(401, 'Log in.') });
    const response = await authFetch(new SessionStore())(thing());
    expect(response.status).toBe(401);
    expect(requests).toHaveLength(1);
    expect(requests[0]?.headers.has('Authorization')).toBe(false);
  });
});

describe('other tabs', () => {
  it('sign this one in and out', () => {
    const store = new SessionStore();
    const stop = store.watchOtherTabs();
    const changed = () =>
      window.dispatchEvent(new StorageEvent('storage', { key: 'cinelog.session' }));
    signedIn(fresh);
    changed();
    expect(store.current?.username).toBe('mara');
    writeSession(null);
    changed();
    expect(store.current).toBeNull();
    stop();
  });
});

describe('stored tokens', () => {
  it.each(['', 'null', '{', '{"accessToken":1}', '[]'])('ignores %j', (text) => {
    localStorage.setItem('cinelog.session', text);
    expect(readSession()).toBeNull();
  });

  it('treats a token as expired a little early, and an unreadable one as good', () => {
    const token = tokenFor(100);
    expect(isExpired(token, Date.now())).toBe(false);
    expect(isExpired(token, Date.now() + 85_000)).toBe(true);
    expect(isExpired('opaque', Date.now())).toBe(false);
  });
});

describe('returnQuery', () => {
  it.each([
    ['/watch/1', '', '?next=%2Fwatch%2F1'],
    ['/search', '?q=fog', '?next=%2Fsearch%3Fq%3Dfog'],
    ['/', '', ''],
    ['/login', '?next=%2Fupload', '?next=%2Fupload'],
  ])('from %s%s', (path, search, query) => {
    expect(returnQuery(path, search)).toBe(query);
  });
});

describe('safeNext', () => {
  it.each([
    ['/upload?x=1', '/upload?x=1'],
    [null, '/'],
    ['https://evil.example', '/'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['/\t/evil.example', '/'],
    ['/\n\\evil.example', '/'],
    ['/.//evil.example', '/'],
    ['/a/..//evil.example', '/'],
    ['/watch/1#chapters', '/watch/1#chapters'],
  ])('%s leads to %s', (next, path) => {
    expect(safeNext(next)).toBe(path);
  });
});
