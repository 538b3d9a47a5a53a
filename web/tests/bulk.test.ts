import { afterEach, describe, expect, it, vi } from 'vitest';

import { ApiError, networkError } from '../src/api/errors';
import type { Video } from '../src/api/models';
import * as requests from '../src/api/videos';
import { changeTags, forEach, remove, tagsOf } from '../src/videos/bulk';
import { NOTHING, pressed } from '../src/videos/selection';

const video = (id: string, ...names: string[]) =>
  ({ id, title: id, tags: names.map((name) => ({ id: name, name })) }) as unknown as Video;
const PAGE = ['a', 'b', 'c', 'd'].map((id) => video(id));
const going = () => new AbortController().signal;
const refused = (type: string, status = 404, retryAfter: number | null = null) =>
  new ApiError(status, type, `No: ${type}`, retryAfter);

afterEach(() => vi.restoreAllMocks());

describe('the same for several videos', () => {
  it('is done for each, a few at once, whatever becomes of the others', async () => {
    let open = 0;
    let most = 0;
    const done: number[] = [];
    const outcomes = await forEach(
      PAGE,
      async ({ id }) => {
        most = Math.max(most, ++open);
        await Promise.resolve();
        open--;
        if (id === 'b') throw refused('video_not_found');
      },
      { signal: going(), onDone: (count) => done.push(count) },
    );
    expect(outcomes.map(({ error }) => error?.message ?? null)).toEqual([
      null,
      'No: video_not_found',
      null,
      null,
    ]);
    expect(most).toBe(3);
    expect(done).toEqual([1, 2, 3, 4]);
  });

  it('waits where it was too fast, and gives up in the end', async () => {
    const waits: number[] = [];
    const wait = (seconds: number) => {
      waits.push(seconds);
      return Promise.resolve();
    };
    const task = vi
      .fn()
      .mockRejectedValueOnce(refused('slow', 429, 7))
      .mockResolvedValue(null);
    const running = { signal: going(), onDone: () => undefined, wait };
    expect((await forEach(PAGE.slice(0, 1), task, running))[0]?.error).toBeNull();
    expect(waits).toEqual([7]);
    const lost = await forEach(PAGE.slice(0, 1), () => Promise.reject(networkError()), running);
    expect(lost[0]?.error?.isNetwork).toBe(true);
    expect(waits).toEqual([7, 1, 2, 4, 8, 16]);
  });

  it('says which were not begun when it is stopped', async () => {
    const stop = new AbortController();
    const task = () => {
      stop.abort();
      return Promise.resolve();
    };
    const running = { signal: stop.signal, onDone: () => undefined };
    const outcomes = await forEach(PAGE, task, running);
    expect(outcomes.map(({ error }) => error?.message ?? null)).toEqual([
      null,
      ...['It was not begun.', 'It was not begun.', 'It was not begun.'],
    ]);
  });
});

describe('deleting and tags', () => {
  it('is done where a lost answer had done it', async () => {
    vi.spyOn(requests, 'deleteVideo').mockRejectedValue(refused('video_not_found'));
    await expect(remove(video('a'))).resolves.toBeUndefined();
    vi.spyOn(requests, 'deleteVideo').mockRejectedValue(refused('not_your_video', 403));
    await expect(remove(video('a'))).rejects.toThrow('not_your_video');
  });

  it('removes what a video has, and adds', async () => {
    const removed = vi.spyOn(requests, 'removeTag').mockResolvedValue();
    const added = vi.spyOn(requests, 'addTags').mockResolvedValue();
    await changeTags({ added: ['new'], removed: ['old', 'other'] })(video('a', 'old', 'kept'));
    expect(removed.mock.calls).toEqual([['a', 'old']]);
    expect(added.mock.calls).toEqual([['a', ['new']]]);
    added.mockRejectedValue(refused('too_many_tags', 400));
    await expect(
      changeTags({ added: ['new'], removed: ['old'] })(video('a', 'old')),
    ).rejects.toThrow('Tags were removed, but none added: No: too_many_tags');
  });

  it('knows the tags of all of them', () => {
    expect(tagsOf([video('a', 'sea', 'fog'), video('b', 'fog')])).toEqual(['fog', 'sea']);
  });
});

describe('choosing', () => {
  const page = ['a', 'b', 'c', 'd'];
  const chosen = (state: { ids: ReadonlySet<string> }) => [...state.ids].sort();

  it('is one by one, or a range with Shift', () => {
    const one = pressed(NOTHING, page, 'b', false);
    expect(chosen(one)).toEqual(['b']);
    const range = pressed(one, page, 'd', true);
    expect(chosen(range)).toEqual(['b', 'c', 'd']);
    expect(chosen(pressed(range, page, 'c', true))).toEqual(['b']);
    expect(chosen(pressed(range, page, 'c', false))).toEqual(['b', 'd']);
    expect(chosen(pressed(NOTHING, page, 'c', true))).toEqual(['c']);
  });

  it('ends a range of which the beginning is gone', () => {
    const one = pressed(NOTHING, page, 'a', false);
    expect(chosen(pressed(one, ['b', 'c', 'd'], 'd', true))).toEqual(['a', 'd']);
  });
});
