import { describe, expect, it, vi } from 'vitest';

import { ApiError, networkError } from '../src/api/errors';
import { pauseAfter } from '../src/upload/backoff';
import { fileProblem, titleFromName } from '../src/upload/files';
import { advance, ELSEWHERE, isUnfinished, sentPercent } from '../src/upload/machine';
import { UploadQueue } from '../src/upload/queue';
import { SpeedMeter, timeLeft } from '../src/upload/speed';
import type { SendOptions, Transport } from '../src/upload/tus';
import { aDraft } from './drafts';

const clip = (name = 'clip.mp4', bytes = 100) =>
  new File([new Uint8Array(bytes)], name, { type: 'video/mp4' });

const draft = () => aDraft(clip());
const untouched = () => ({ ...draft(), details: { ...draft().details, title: 'clip' } });

const submitted = () => advance(draft(), { type: 'submitted' });
const sending = () => advance(submitted(), { type: 'started' });

describe('the way of one file', () => {
  it('leads from a draft to its job', () => {
    let item = sending();
    expect(isUnfinished(item)).toBe(true);
    item = advance(item, { type: 'progressed', sentBytes: 25, bytesPerSecond: 10 });
    expect(sentPercent(item)).toBe(25);
    item = advance(item, { type: 'delivered', jobId: 'job' });
    expect(item.state).toEqual({ phase: 'sent', jobId: 'job' });
    expect(sentPercent(item)).toBe(100);
    expect(isUnfinished(item)).toBe(false);
  });

  it('shows a lost connection until bytes move again', () => {
    let item = advance(sending(), { type: 'stalled' });
    expect(item.state).toMatchObject({ phase: 'sending', stalled: true, bytesPerSecond: 0 });
    item = advance(item, { type: 'progressed', sentBytes: 50, bytesPerSecond: 10 });
    expect(item.state).toMatchObject({ stalled: false });
  });

  it('tries the same upload again after an outage, a new one after a refusal', () => {
    const lost = advance(sending(), { type: 'failed', error: networkError() });
    expect(lost).toMatchObject({ attempt: 0, state: { phase: 'failed', retryable: true } });
    expect(advance(lost, { type: 'resumed' }).state.phase).toBe('queued');

    const expired = new ApiError(404, 'upload_not_found', 'There is no such upload.');
    expect(advance(sending(), { type: 'failed', error: expired })).toMatchObject({
      attempt: 1,
      state: { retryable: true },
    });
  });

  it('does not offer to try again what will be refused again', () => {
    const error = new ApiError(400, 'not_a_video', 'This is not a video.');
    const item = advance(sending(), { type: 'failed', error });
    expect(item.state).toEqual({
      phase: 'failed',
      message: 'This is not a video.',
      retryable: false,
    });
    expect(advance(item, { type: 'resumed' })).toBe(item);
  });

  it('says plainly when a file is too large', () => {
    const error = new ApiError(413, 'too_large', 'An upload may have at most 5 bytes.');
    expect(advance(sending(), { type: 'failed', error }).state).toMatchObject({
      message: 'This file is larger than this site accepts.',
    });
  });

  it('says what is used and allowed, and goes on once there is room', () => {
    const error = new ApiError(
      403,
      'quota_exceeded',
      'This account has used its stored bytes.',
      null,
      null,
      [{ field: 'bytes', message: '1.9 MB used, 2 MB allowed' }],
    );
    const item = advance(sending(), { type: 'failed', error });
    expect(item).toMatchObject({
      attempt: 1,
      state: {
        message:
          'This account has used its stored bytes (1.9 MB used, 2 MB allowed). ' +
          'Delete videos that you no longer need, empty the bin, then try again.',
        retryable: true,
      },
    });
    expect(advance(item, { type: 'resumed' }).state.phase).toBe('queued');
  });

  it('ignores events out of turn', () => {
    const item = draft();
    expect(advance(item, { type: 'delivered', jobId: 'x' })).toBe(item);
    expect(advance(item, { type: 'progressed', sentBytes: 1, bytesPerSecond: 1 })).toBe(item);
    expect(advance(item, { type: 'resumed' })).toBe(item);
    const busy = sending();
    expect(advance(busy, { type: 'edited', details: { ...busy.details, title: 'x' } })).toBe(busy);
    const done = advance(busy, { type: 'delivered', jobId: 'x' });
    expect(advance(done, { type: 'failed', error: networkError() })).toBe(done);
    expect(advance(done, { type: 'paused' })).toBe(done);
  });

  it('waits with its end until the person has said what it is', () => {
    let item = advance(draft(), { type: 'started' });
    item = advance(item, { type: 'progressed', sentBytes: 90, bytesPerSecond: 10 });
    item = advance(item, { type: 'held' });
    expect(item.state).toEqual({ phase: 'waiting', sentBytes: 90 });
    expect(isUnfinished(item)).toBe(false);
    item = advance(item, { type: 'submitted' });
    expect(item).toMatchObject({ submitted: true, state: { phase: 'queued', sentBytes: 90 } });
  });

  it('is paused and goes on', () => {
    let item = advance(sending(), { type: 'progressed', sentBytes: 40, bytesPerSecond: 10 });
    item = advance(item, { type: 'paused' });
    expect(item.state).toEqual({ phase: 'paused', sentBytes: 40 });
    expect(sentPercent(item)).toBe(40);
    expect(advance(item, { type: 'resumed' }).state).toEqual({ phase: 'queued', sentBytes: 40 });
  });

  it('takes over what was said of the file before, unless something is said now', () => {
    const said = { ...draft().details, title: 'Walk', description: 'In the hills' };
    const found = { type: 'located', location: '/u/1', details: said } as const;
    expect(advance(untouched(), found)).toMatchObject({ location: '/u/1', details: said });
    const title = { ...draft().details, title: 'Mine' };
    const edited = advance(untouched(), { type: 'edited', details: title });
    expect(advance(edited, found).details.title).toBe('Mine');
  });

  it('keeps what another tab is sending', () => {
    const item = advance(sending(), { type: 'located', location: '/u/1', details: null });
    const error = new ApiError(409, ELSEWHERE, 'Another tab is uploading this file already.');
    expect(advance(item, { type: 'failed', error })).toMatchObject({
      location: '/u/1',
      attempt: 0,
      state: { retryable: true },
    });
  });
});

interface Sent {
  file: File;
  options: SendOptions;
  resolve: (jobId: string | null) => void;
  reject: (error: unknown) => void;
}

function aQueue() {
  const sent: Sent[] = [];
  const send: Transport = (file, _details, options) =>
    new Promise((resolve, reject) => {
      sent.push({ file, options, resolve, reject });
      options.signal.addEventListener('abort', () => reject(options.signal.reason as Error));
    });
  const describe = vi.fn(() => Promise.resolve());
  const remove = vi.fn(() => Promise.resolve());
  let id = 0;
  const newId = () => `id${(id += 1)}`;
  const queue = new UploadQueue({ send, describe, remove, newId, now: () => 0 });
  return { queue, sent, describe, remove };
}

const phases = (queue: UploadQueue) => queue.items.map((item) => item.state.phase);
const settled = () => vi.waitFor(() => undefined);
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 15_000 });

describe('the queue', () => {
  it('takes videos and says what is wrong with the rest', () => {
    const { queue } = aQueue();
    const problems = queue.add([clip('a.mp4'), new File(['x'], 'notes.txt'), clip('b.mov', 0)]);
    expect(queue.items.map((item) => item.details.title)).toEqual(['a']);
    expect(problems).toHaveLength(2);
    expect(problems[0]).toMatch(/notes.txt.*not a video/);
    expect(problems[1]).toMatch(/empty/);
  });

  it('sends two at once as soon as they are there, the wanted ones first', async () => {
    const { queue, sent } = aQueue();
    queue.add([clip('a.mp4'), clip('b.mp4'), clip('c.mp4'), clip('d.mp4')]);
    expect(phases(queue)).toEqual(['sending', 'sending', 'queued', 'queued']);
    sent[0]?.options.onProgress(40);
    expect(queue.items[0]?.state).toMatchObject({ sentBytes: 40 });
    expect(sent[0]?.options.submitted()).toBeNull();
    queue.apply('id4', { type: 'submitted' });
    sent[0]?.resolve(null);
    await eventually(() =>
      expect(phases(queue)).toEqual(['waiting', 'sending', 'queued', 'sending']),
    );
    expect(sent[2]?.file.name).toBe('d.mp4');
    expect(sent[2]?.options.submitted()).toMatchObject({ title: 'd' });
    sent[2]?.resolve('job4');
    await eventually(() =>
      expect(phases(queue)).toEqual(['waiting', 'sending', 'sending', 'sent']),
    );
  });

  it('begins few uploads before it is known what they are', async () => {
    const { queue, sent } = aQueue();
    queue.add(Array.from({ length: 12 }, (_, n) => clip(`${n}.mp4`)));
    for (let n = 0; n < 10; n += 1) {
      await eventually(() => expect(sent.length).toBeGreaterThan(n));
      sent[n]?.resolve(null);
    }
    await eventually(() => expect(phases(queue).slice(9)).toEqual(['waiting', 'queued', 'queued']));
    queue.apply('id12', { type: 'submitted' });
    expect(phases(queue).slice(9)).toEqual(['waiting', 'queued', 'sending']);
    expect(sent).toHaveLength(11);
  });

  it('says at once what an upload will be', () => {
    const { queue, sent, describe } = aQueue();
    queue.add([clip()]);
    sent[0]?.options.onLocated('/api/v1/uploads/1', null);
    queue.apply('id1', { type: 'submitted' });
    expect(describe).toHaveBeenCalledWith('/api/v1/uploads/1', queue.items[0]?.details);
  });

  it('goes on with the next when one fails, and retries under the same key', async () => {
    const { queue, sent } = aQueue();
    queue.add([clip('a.mp4'), clip('b.mp4'), clip('c.mp4')]);
    sent[0]?.options.onLocated('/api/v1/uploads/1', null);
    sent[0]?.reject(networkError());
    await eventually(() => expect(phases(queue)).toEqual(['failed', 'sending', 'sending']));
    sent[1]?.resolve('job2');
    await eventually(() => expect(phases(queue)).toEqual(['failed', 'sent', 'sending']));
    queue.apply('id1', { type: 'resumed' });
    expect(sent[3]?.options.idempotencyKey).toBe(sent[0]?.options.idempotencyKey);
    expect(sent[3]?.options.location).toBe('/api/v1/uploads/1');
  });

  it('stops the bytes of what is paused, and goes on where it stopped', async () => {
    const { queue, sent, remove } = aQueue();
    queue.add([clip()]);
    sent[0]?.options.onLocated('/api/v1/uploads/1', null);
    queue.pause('id1');
    expect(sent[0]?.options.signal.aborted).toBe(true);
    queue.apply('id1', { type: 'resumed' });
    await eventually(() => expect(sent).toHaveLength(2));
    expect(sent[1]?.options.location).toBe('/api/v1/uploads/1');
    expect(phases(queue)).toEqual(['sending']);
    expect(remove).not.toHaveBeenCalled();
  });

  it('deletes what has arrived of a cancelled upload', async () => {
    const { queue, sent, remove } = aQueue();
    queue.add([clip()]);
    sent[0]?.options.onLocated('/api/v1/uploads/1', null);
    queue.remove('id1');
    expect(sent[0]?.options.signal.aborted).toBe(true);
    await settled();
    expect(queue.items).toEqual([]);
    expect(remove).toHaveBeenCalledWith('/api/v1/uploads/1');
  });

  it('deletes no video with its row', async () => {
    const { queue, sent, remove } = aQueue();
    queue.add([clip()]);
    sent[0]?.options.onLocated('/api/v1/uploads/1', null);
    sent[0]?.resolve('job1');
    await eventually(() => expect(phases(queue)).toEqual(['sent']));
    queue.remove('id1');
    expect(remove).not.toHaveBeenCalled();
  });

  it('forgets everything when the person leaves, and deletes nothing', () => {
    const { queue, sent, remove } = aQueue();
    queue.add([clip()]);
    sent[0]?.options.onLocated('/api/v1/uploads/1', null);
    queue.clear();
    expect(queue.items).toEqual([]);
    expect(sent[0]?.options.signal.aborted).toBe(true);
    expect(remove).not.toHaveBeenCalled();
  });

  it('sends the same file twice to two places', () => {
    const { queue, sent } = aQueue();
    queue.add([clip()]);
    sent[0]?.options.onLocated('/api/v1/uploads/1', null);
    queue.add([clip()]);
    expect(sent[1]?.options.taken).toEqual(new Set(['/api/v1/uploads/1']));
  });
});

describe('files', () => {
  it('are judged by ending or type', () => {
    expect(fileProblem(new File(['x'], 'FILM.MKV'))).toBeNull();
    expect(fileProblem(new File(['x'], 'film', { type: 'video/mp4' }))).toBeNull();
    expect(fileProblem(new File(['x'], 'song.opus'))).toBeNull();
    expect(fileProblem(new File(['x'], 'song', { type: 'audio/mpeg' }))).toBeNull();
    expect(fileProblem(new File(['x'], 'film.exe'))).toMatch(/not a video/);
  });

  it.each([
    ['my_holiday-2024.final.mp4', 'my holiday 2024 final'],
    ['.mp4', 'Untitled'],
    [`${'ü'.repeat(220)}.mov`, 'ü'.repeat(200)],
  ])('%s gets a title', (name, title) => {
    expect(titleFromName(name)).toBe(title);
  });
});

describe('speed', () => {
  it('is that of the last few seconds', () => {
    const meter = new SpeedMeter();
    expect(meter.add(0, 0)).toBe(0);
    expect(meter.add(1_000, 1_000)).toBe(1_000);
    for (let second = 2; second <= 20; second += 1) meter.add(1_000, second * 1_000);
    expect(meter.add(1_000, 21_000)).toBe(0);
  });

  it.each([
    [100, 0, ''],
    [30_000, 1_000, 'less than a minute left'],
    [120_000, 1_000, 'about 2 minutes left'],
    [7_200_000, 1_000, 'about 2 hours left'],
  ])('%d bytes at %d/s: %s', (bytes, speed, text) => {
    expect(timeLeft(bytes, speed)).toBe(text);
  });
});

it('pauses longer after each failure, or as long as asked', () => {
  expect([1, 2, 3, 9].map((n) => pauseAfter(n, null))).toEqual([1_000, 2_000, 4_000, 15_000]);
  expect(pauseAfter(1, 20)).toBe(20_000);
});
