import { describe, expect, it, vi } from 'vitest';

import { ApiError, networkError } from '../src/api/errors';
import { pauseAfter } from '../src/upload/backoff';
import { fileProblem, titleFromName } from '../src/upload/files';
import { advance, isUnfinished, sentPercent } from '../src/upload/machine';
import { UploadQueue } from '../src/upload/queue';
import { SpeedMeter, timeLeft } from '../src/upload/speed';
import type { SendOptions, Transport } from '../src/upload/tus';
import { aDraft } from './drafts';

const clip = (name = 'clip.mp4', bytes = 100) =>
  new File([new Uint8Array(bytes)], name, { type: 'video/mp4' });

const draft = () => aDraft(clip());

const queued = () => advance(draft(), { type: 'submitted' });
const sending = () => advance(queued(), { type: 'started' });

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
    expect(advance(lost, { type: 'submitted' }).state.phase).toBe('queued');

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
    expect(advance(item, { type: 'submitted' })).toBe(item);
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
          'Delete videos that you no longer need, then try again.',
        retryable: true,
      },
    });
    expect(advance(item, { type: 'submitted' }).state.phase).toBe('queued');
  });

  it('ignores events out of turn', () => {
    const item = draft();
    expect(advance(item, { type: 'delivered', jobId: 'x' })).toBe(item);
    expect(advance(item, { type: 'progressed', sentBytes: 1, bytesPerSecond: 1 })).toBe(item);
    const busy = sending();
    expect(advance(busy, { type: 'edited', details: item.details })).toBe(busy);
  });
});

interface Sent {
  file: File;
  options: SendOptions;
  resolve: (jobId: string) => void;
  reject: (error: unknown) => void;
}

function aQueue() {
  const sent: Sent[] = [];
  const send: Transport = (file, _details, options) =>
    new Promise((resolve, reject) => {
      sent.push({ file, options, resolve, reject });
    });
  let id = 0;
  const queue = new UploadQueue({ send, newId: () => `id${(id += 1)}`, now: () => 0 });
  return { queue, sent };
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

  it('sends one after another', async () => {
    const { queue, sent } = aQueue();
    queue.add([clip('a.mp4'), clip('b.mp4')]);
    queue.apply('id1', { type: 'submitted' });
    queue.apply('id2', { type: 'submitted' });
    expect(phases(queue)).toEqual(['sending', 'queued']);
    sent[0]?.options.onProgress(40);
    expect(queue.items[0]?.state).toMatchObject({ sentBytes: 40 });
    sent[0]?.resolve('job1');
    await eventually(() => expect(phases(queue)).toEqual(['sent', 'sending']));
    expect(sent[1]?.file.name).toBe('b.mp4');
  });

  it('goes on with the next when one fails, and retries under the same key', async () => {
    const { queue, sent } = aQueue();
    queue.add([clip('a.mp4'), clip('b.mp4')]);
    queue.apply('id1', { type: 'submitted' });
    queue.apply('id2', { type: 'submitted' });
    sent[0]?.reject(networkError());
    await eventually(() => expect(phases(queue)).toEqual(['failed', 'sending']));
    sent[1]?.resolve('job2');
    await eventually(() => expect(phases(queue)).toEqual(['failed', 'sent']));
    queue.apply('id1', { type: 'submitted' });
    expect(sent[2]?.options.idempotencyKey).toBe(sent[0]?.options.idempotencyKey);
  });

  it('stops the bytes of a cancelled upload', async () => {
    const { queue, sent } = aQueue();
    queue.add([clip()]);
    queue.apply('id1', { type: 'submitted' });
    queue.remove('id1');
    expect(sent[0]?.options.signal.aborted).toBe(true);
    sent[0]?.reject(new DOMException('', 'AbortError'));
    await settled();
    expect(queue.items).toEqual([]);
  });

  it('forgets everything when the person leaves', () => {
    const { queue, sent } = aQueue();
    queue.add([clip()]);
    queue.apply('id1', { type: 'submitted' });
    queue.clear();
    expect(queue.items).toEqual([]);
    expect(sent[0]?.options.signal.aborted).toBe(true);
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
    [`${'ü'.repeat(120)}.mov`, 'ü'.repeat(100)],
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
