import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { session } from '../src/auth/session';
import type { SendOptions } from '../src/upload/tus';
import { sendFile, uploadMetadata } from '../src/upload/tus';
import { anOpenUpload, SAID } from './drafts';
import { fakeApi, failure, success, tokenFor } from './stage';

const ID = '0198f0aa-0000-7000-8000-000000000001';
const LOCATION = `/api/v1/uploads/${ID}`;
const MIB = 1024 * 1024;
const details = {
  title: 'Übung',
  description: '',
  tags: ['a', 'b'],
  visibility: null,
  publishAt: null,
  keepHdr: false,
};

/** A tus server behind XMLHttpRequest; `trouble` may answer a PATCH in its place. */
class FakeServer {
  received = 0;
  /** What is listed as begun. */
  open: object[] = [];
  /** What was said of the upload, in order, with how much had arrived. */
  readonly described: { said: unknown; received: number }[] = [];
  readonly parts: { from: number; bytes: number; token: string | null }[] = [];
  trouble: (() => { status: number; body?: unknown } | 'drop' | 'away' | null)[] = [];

  handlers(created = 201) {
    return {
      'POST /api/v1/uploads': () =>
        new Response(null, { status: created, headers: { Location: LOCATION } }),
      [`HEAD ${LOCATION}`]: () =>
        new Response(null, { headers: { 'Upload-Offset': String(this.received) } }),
      'GET /api/v1/uploads': () => success(this.open),
      [`PUT ${LOCATION}/details`]: async (request: Request) => {
        this.described.push({ said: await request.json(), received: this.received });
        return success({});
      },
    };
  }

  install() {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- the fake's methods have their own this
    const server = this;
    class FakeXhr {
      upload: { onprogress?: (event: { loaded: number }) => void } = {};
      status = 0;
      response: unknown = null;
      responseType = '';
      onload?: () => void;
      onerror?: () => void;
      onabort?: () => void;
      onloadend?: () => void;
      #headers: Record<string, string> = {};
      open() {
        this.#headers = {};
      }
      setRequestHeader(name: string, value: string) {
        this.#headers[name] = value;
      }
      getResponseHeader(name: string) {
        return name === 'Upload-Offset' && this.status === 204 ? String(server.received) : null;
      }
      abort() {
        this.onabort?.();
        this.onloadend?.();
      }
      send(bytes: Blob) {
        queueMicrotask(() => {
          const from = Number(this.#headers['Upload-Offset']);
          server.parts.push({
            from,
            bytes: bytes.size,
            token: this.#headers['Authorization'] ?? null,
          });
          const trouble = server.trouble.shift()?.() ?? null;
          if (trouble === 'away') {
            this.onerror?.();
          } else if (trouble === 'drop') {
            // Half of it had arrived when the line went dead.
            server.received = from + Math.floor(bytes.size / 2);
            this.onerror?.();
          } else if (trouble) {
            this.status = trouble.status;
            this.response = trouble.body ?? null;
            this.onload?.();
          } else {
            server.received = from + bytes.size;
            this.upload.onprogress?.({ loaded: bytes.size });
            this.status = 204;
            this.onload?.();
          }
          this.onloadend?.();
        });
      }
    }
    vi.stubGlobal('XMLHttpRequest', FakeXhr);
  }
}

const file = (bytes = MIB) =>
  new File([new Uint8Array(bytes)], 'Übung.mp4', {
    type: 'video/mp4',
    lastModified: 1_764_288_000_000,
  });
/** All but the end, which is sent when it is known what the video is. */
const BEGUN = MIB - 16 * 1024;

/** An upload of the file of these tests, unless `changes` say otherwise. */
const listed = (changes: object) =>
  anOpenUpload({
    id: ID,
    details: { ...SAID, title: 'Walk', filename: 'Übung.mp4' },
    last_modified: '1764288000000',
    size: MIB,
    ...changes,
  });

function options(changes: Partial<SendOptions> = {}) {
  return {
    idempotencyKey: 'key-0',
    location: null,
    mayBeKnown: false,
    taken: new Set<string>(),
    signal: new AbortController().signal,
    onLocated: vi.fn(),
    onProgress: vi.fn(),
    onStalled: vi.fn(),
    submitted: () => details,
    ...changes,
  };
}

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
  server.install();
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
});
afterEach(() => {
  vi.useRealTimers();
  session.signOut();
});

describe('a resumable upload', () => {
  it('sends a small first part, the rest, what it is, and the end', async () => {
    const requests = fakeApi(server.handlers());
    const sent = options();
    expect(await sendFile(file(), details, sent)).toBe(ID);
    expect(requests.map((request) => request.method)).toEqual(['POST', 'HEAD', 'PUT', 'HEAD']);
    const create = requests[0];
    expect(create?.headers.get('Tus-Resumable')).toBe('1.0.0');
    expect(create?.headers.get('Upload-Length')).toBe(String(MIB));
    expect(create?.headers.get('Idempotency-Key')).toBe('key-0');
    expect(server.parts.map(({ from, bytes }) => [from, bytes])).toEqual([
      [0, MIB / 4],
      [MIB / 4, BEGUN - MIB / 4],
      [BEGUN, MIB - BEGUN],
    ]);
    expect(server.described).toMatchObject([{ said: { title: 'Übung' }, received: BEGUN }]);
    expect(sent.onLocated).toHaveBeenCalledWith(LOCATION, null);
    expect(sent.onProgress).toHaveBeenLastCalledWith(MIB);
    expect(sent.onStalled).not.toHaveBeenCalled();
  });

  it('goes on where an earlier try stopped', async () => {
    fakeApi(server.handlers());
    server.received = MIB / 2;
    await sendFile(file(), details, options());
    expect(server.parts.map(({ from }) => from)).toEqual([MIB / 2, BEGUN]);
  });

  it('keeps the end until somebody has said what it is', async () => {
    fakeApi(server.handlers());
    expect(await sendFile(file(), details, options({ submitted: () => null }))).toBeNull();
    expect(server.received).toBe(BEGUN);
    expect(server.described).toEqual([]);
    expect(await sendFile(file(), details, options({ location: LOCATION }))).toBe(ID);
    expect(server.parts.at(-1)).toMatchObject({ from: BEGUN, bytes: MIB - BEGUN });
  });

  it('finds what an earlier page has sent of the same file', async () => {
    const requests = fakeApi(server.handlers());
    server.received = MIB / 2;
    server.open = [listed({ details: SAID }), listed({ size: 5 }), listed({})];
    const sent = options({ mayBeKnown: true });
    expect(await sendFile(file(), details, sent)).toBe(ID);
    expect(requests.map((request) => request.method)).not.toContain('POST');
    expect(server.parts[0]?.from).toBe(MIB / 2);
    expect(sent.onLocated).toHaveBeenCalledWith(LOCATION, {
      title: 'Walk',
      description: 'Hills',
      tags: ['a'],
      visibility: 'private',
      publishAt: null,
      keepHdr: false,
      unasked: { ...SAID, title: 'Walk', filename: 'Übung.mp4' },
    });
  });

  it('says again what is not asked here', async () => {
    fakeApi(server.handlers());
    const said = { ...details, unasked: SAID };
    await sendFile(file(), details, options({ submitted: () => said }));
    expect(server.described).toMatchObject([{ said: { title: 'Übung', downloads: 'anyone' } }]);
  });

  it('leaves an upload to the other file of this page that it belongs to', async () => {
    const requests = fakeApi(server.handlers());
    server.open = [listed({})];
    const sent = options({ mayBeKnown: true, taken: new Set([LOCATION]) });
    await sendFile(file(), details, sent);
    expect(requests.map((request) => request.method)).toContain('POST');
  });

  it('leaves an upload to the tab that sends it', async () => {
    fakeApi(server.handlers());
    const request = vi.fn((_name: string, _how: object, task: (lock: null) => unknown) =>
      task(null),
    );
    vi.stubGlobal('navigator', Object.assign(Object.create(navigator), { locks: { request } }));
    const sending = sendFile(file(), details, options({ location: LOCATION }));
    await expect(sending).rejects.toMatchObject({ type: 'upload_elsewhere' });
    vi.unstubAllGlobals();
    expect(server.parts).toEqual([]);
  });

  it('sends nothing again when everything had arrived', async () => {
    fakeApi(server.handlers());
    server.received = MIB;
    expect(await sendFile(file(), details, options())).toBe(ID);
    expect(server.parts).toEqual([]);
  });

  it('waits for a lost connection and asks how much has arrived', async () => {
    vi.useFakeTimers();
    fakeApi(server.handlers());
    server.trouble = [() => null, () => 'drop'];
    const sent = options();
    const done = sendFile(file(), details, sent);
    await vi.runAllTimersAsync();
    expect(await done).toBe(ID);
    expect(sent.onStalled).toHaveBeenCalledOnce();
    const half = MIB / 4 + (BEGUN - MIB / 4) / 2;
    expect(server.parts.map(({ from }) => from)).toEqual([0, MIB / 4, half, BEGUN]);
  });

  it('waits for a lost connection however long it takes', async () => {
    session.signIn({ accessToken: tokenFor(7200), username: 'mara' });
    vi.useFakeTimers();
    fakeApi(server.handlers());
    server.trouble = [() => null, ...Array.from({ length: 120 }, () => () => 'away' as const)];
    const done = sendFile(file(), details, options());
    await vi.advanceTimersByTimeAsync(35 * 60_000);
    expect(await done).toBe(ID);
  });

  it('gives up after many failures in a row', async () => {
    vi.useFakeTimers();
    fakeApi(server.handlers());
    server.trouble = Array.from({ length: 20 }, () => () => ({ status: 503 }));
    const done = sendFile(file(), details, options());
    const outcome = expect(done).rejects.toMatchObject({ status: 503 });
    await vi.runAllTimersAsync();
    await outcome;
    expect(server.parts).toHaveLength(7);
  });

  it('tells at once what the server will never take', async () => {
    fakeApi(server.handlers());
    server.trouble = [
      () => ({ status: 400, body: { error: { type: 'not_a_video', message: 'Not a video.' } } }),
    ];
    await expect(sendFile(file(), details, options())).rejects.toMatchObject({
      type: 'not_a_video',
      message: 'Not a video.',
    });
    expect(server.parts).toHaveLength(1);
  });

  it('tells a refused creation', async () => {
    fakeApi({ 'POST /api/v1/uploads': () => failure(413, 'Too large.') });
    await expect(sendFile(file(), details, options())).rejects.toMatchObject({ status: 413 });
  });

  it('refreshes a token that went stale between parts', async () => {
    const fresh = tokenFor(600, 'fresh');
    fakeApi({
      ...server.handlers(),
      'POST /api/v1/auth/refresh': () => success({ access_token: fresh, refresh_token: 'r2' }),
    });
    server.trouble = [() => null, () => ({ status: 401 })];
    expect(await sendFile(file(), details, options())).toBe(ID);
    expect(server.parts.slice(1).map(({ token }) => token)).toEqual([
      expect.not.stringContaining(fresh),
      `Bearer ${fresh}`,
      `Bearer ${fresh}`,
    ]);
  });

  it('stops when it is paused or cancelled, and deletes nothing', async () => {
    const requests = fakeApi(server.handlers());
    const abort = new AbortController();
    server.trouble = [
      () => {
        abort.abort();
        return 'drop';
      },
    ];
    const sending = sendFile(file(), details, options({ signal: abort.signal }));
    await expect(sending).rejects.toMatchObject({ name: 'AbortError' });
    expect(requests.map((request) => request.method)).not.toContain('DELETE');
    expect(server.parts).toHaveLength(1);
  });
});

it('writes metadata as base64 of UTF-8 and leaves out what is empty', () => {
  const metadata = uploadMetadata(file(1), details);
  const pairs = new Map(metadata.split(',').map((pair) => pair.split(' ') as [string, string]));
  const decode = (key: string) =>
    new TextDecoder().decode(Uint8Array.from(atob(pairs.get(key) ?? ''), (c) => c.charCodeAt(0)));
  expect([...pairs.keys()]).toEqual(['title', 'tags', 'filename', 'filetype', 'lastModified']);
  expect(decode('title')).toBe('Übung');
  expect(decode('tags')).toBe('a,b');
});
