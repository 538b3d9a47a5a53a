import { beforeEach, describe, expect, it, vi } from 'vitest';

import { authFetch } from '../src/auth/authFetch';
import { returnQuery, safeNext } from '../src/auth/next';
import { SessionStore } from '../src/auth/session';
import { isExpired, readUsername, writeUsername } from '../src/auth/tokens';
import { fakeApi, failure, success, tokenFor } from './stage';

const REFRESH = 'POST /api/v1/auth/refresh';
const THING = 'GET /api/v1/thing';

const stale = tokenFor(-60, 'stale');
const fresh = tokenFor(600, 'fresh');

/** A tab of somebody who is signed in, with this access token in its memory. */
function tab(accessToken: string | null = stale): SessionStore {
  const store = new SessionStore();
  store.signIn({ accessToken, username: 'mara' });
  return store;
}

const renewed = () => success({ access_token: fresh });
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
    const requests = fakeApi({});
    expect(await tab(fresh).accessToken()).toBe(fresh);
    expect(requests).toHaveLength(0);
  });

  it('happens once for many requests, with the token in the cookie', async () => {
    const requests = fakeApi({ [REFRESH]: renewed });
    const store = tab();
    const tokens = await Promise.all([1, 2, 3, 4].map(() => store.accessToken()));
    expect(tokens).toEqual([fresh, fresh, fresh, fresh]);
    expect(requests).toHaveLength(1);
    expect(await requests[0]?.json()).toEqual({ session_in: 'cookie' });
    expect(store.current).toEqual({ accessToken: fresh, username: 'mara' });
  });

  it('opens the session of an earlier visit', async () => {
    writeUsername('mara');
    const requests = fakeApi({ [REFRESH]: renewed });
    const store = new SessionStore();
    expect(store.current).toEqual({ accessToken: null, username: 'mara' });
    expect(await store.accessToken()).toBe(fresh);
    expect(requests).toHaveLength(1);
  });

  it('leaves no token where scripts can read it', async () => {
    fakeApi({ [REFRESH]: renewed });
    await tab().accessToken();
    expect(sessionStorage).toHaveLength(0);
    expect(localStorage).toHaveLength(1);
    expect(localStorage.getItem('cinelog.session')).toBe('{"username":"mara"}');
  });

  it('moves the refresh token of an earlier version into the cookie', async () => {
    const old = { accessToken: fresh, refreshToken: 'r1', username: 'mara' };
    localStorage.setItem('cinelog.session', JSON.stringify(old));
    const requests = fakeApi({ [REFRESH]: renewed });
    const store = new SessionStore();
    expect(localStorage.getItem('cinelog.session')).not.toContain('r1');
    await store.accessToken();
    expect(await requests[0]?.json()).toEqual({ refresh_token: 'r1', session_in: 'cookie' });
    await store.refresh(fresh);
    expect(await requests[1]?.json()).toEqual({ session_in: 'cookie' });
  });

  it('happens in one tab at a time', async () => {
    let running = 0;
    let most = 0;
    fakeApi({
      [REFRESH]: async () => {
        running += 1;
        most = Math.max(most, running);
        await Promise.resolve();
        running -= 1;
        return renewed();
      },
    });
    const tokens = await Promise.all([tab(), tab(), tab()].map((each) => each.accessToken()));
    expect(tokens).toEqual([fresh, fresh, fresh]);
    expect(most).toBe(1);
  });

  it('works without Web Locks', async () => {
    vi.stubGlobal('navigator', {});
    fakeApi({ [REFRESH]: renewed });
    expect(await tab().accessToken()).toBe(fresh);
  });

  it('ends the session when the refresh token is refused', async () => {
    fakeApi({ [REFRESH]: () => failure(401, 'Expired.') });
    const store = tab();
    const listener = vi.fn();
    store.subscribe(listener);
    expect(await store.accessToken()).toBeNull();
    expect(listener).toHaveBeenCalledWith(null, 'expired');
    expect(readUsername()).toBeNull();
  });

  it.each([
    ['the limit', () => failure(429, 'Slow down.', { 'Retry-After': '20' })],
    ['an outage', () => failure(503, 'Down.')],
  ])('keeps the session through %s', async (_name, answer) => {
    fakeApi({ [REFRESH]: answer });
    const store = tab();
    await expect(store.accessToken()).rejects.toMatchObject({ isTemporary: true });
    expect(store.current).not.toBeNull();
    expect(readUsername()).toBe('mara');
  });

  it('keeps the session without a network', async () => {
    fakeApi({
      [REFRESH]: () => {
        throw new TypeError('Failed to fetch');
      },
    });
    const store = tab();
    await expect(store.accessToken()).rejects.toMatchObject({ isNetwork: true });
    expect(store.current).not.toBeNull();
  });

  it('goes on as the person who has signed in elsewhere meanwhile', async () => {
    const store = tab();
    writeUsername('noor');
    fakeApi({ [REFRESH]: renewed });
    expect(await store.accessToken()).toBe(fresh);
    expect(store.current?.username).toBe('noor');
  });
});

describe('authFetch', () => {
  it('carries the token', async () => {
    const requests = fakeApi({ [THING]: () => success(1) });
    await authFetch(tab(fresh))(thing());
    expect(requests[0]?.headers.get('Authorization')).toBe(`Bearer ${fresh}`);
  });

  it('refreshes once and repeats when the server calls the token stale', async () => {
    const revoked = tokenFor(600, 'revoked');
    const requests = fakeApi({
      [REFRESH]: renewed,
      [THING]: (request) =>
        request.headers.get('Authorization') === `Bearer ${fresh}`
          ? success('done')
          : failure(401, 'Stale.'),
    });
    const response = await authFetch(tab(revoked))(thing());
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
    writeUsername('mara');
    changed();
    expect(store.current?.username).toBe('mara');
    writeUsername(null);
    changed();
    expect(store.current).toBeNull();
    stop();
  });
});

describe('what is stored', () => {
  it.each(['', 'null', '{', '{"username":1}', '[]'])('ignores %j', (text) => {
    localStorage.setItem('cinelog.session', text);
    expect(readUsername()).toBeNull();
    expect(new SessionStore().current).toBeNull();
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
