import { describe, expect, it } from 'vitest';

import { isTerminal, jobHeadline, jobPercent } from '../src/jobs/job';
import { readServerEvents } from '../src/jobs/sse';
import { isFinished, isReady, statusLabel } from '../src/videos/status';
import { aJob, aVideo } from './stage';

function streamOf(...chunks: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });
}

describe('server-sent events', () => {
  it('are read across chunk borders, without heartbeats', async () => {
    const events = [];
    const stream = streamOf(
      ': hello\n\nid: 7\nevent: prog',
      'ress\ndata: {"a":\ndata: 1}\n',
      '\ndata:last\r\n\r\ndata: cut off',
    );
    for await (const event of readServerEvents(stream)) events.push(event);
    expect(events).toEqual([
      { event: 'progress', id: '7', data: '{"a":\n1}' },
      { event: 'message', id: null, data: 'last' },
    ]);
  });
});

describe('a job', () => {
  it('ends as completed or failed', () => {
    expect(isTerminal(aJob({ status: 'completed' }))).toBe(true);
    expect(isTerminal(aJob({ status: 'failed' }))).toBe(true);
    expect(isTerminal(aJob({ status: 'pending' }))).toBe(false);
  });

  it('has a percentage between 0 and 100', () => {
    expect(jobPercent(aJob({ progress: 140 }))).toBe(100);
    expect(jobPercent(aJob({ progress: -1 }))).toBe(0);
    expect(jobPercent(aJob({ status: 'completed', progress: 97 }))).toBe(100);
  });

  it('says that it can be watched before it is done', () => {
    expect(jobHeadline(aJob({ playable: true }))).toMatch(/Ready to watch/);
    expect(jobHeadline(aJob())).toMatch(/Preparing/);
  });
});

describe('a video', () => {
  it('is ready when it has a playlist, finished when its job is', () => {
    expect(isReady(aVideo({ video: '' }))).toBe(false);
    expect(isReady(aVideo({ status: 'processing' }))).toBe(true);
    expect(isFinished(aVideo({ status: 'processing' }))).toBe(false);
    expect(isFinished(aVideo({ renditions: [] }))).toBe(false);
    expect(isFinished(aVideo())).toBe(true);
    expect(statusLabel(aVideo({ status: 'failed' }))).toBe('Failed');
  });
});
