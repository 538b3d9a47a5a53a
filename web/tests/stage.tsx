import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, type RenderResult } from '@testing-library/react';
import axe from 'axe-core';
import type { ReactElement } from 'react';
import { createMemoryRouter, RouterProvider } from 'react-router';
import { expect, vi } from 'vitest';

import type { Job, LiveStream, LiveStreamWithKey, Video } from '../src/api/models';
import { NotificationProvider } from '../src/ui/notifications';

type Handler = (request: Request) => Response | Promise<Response>;

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
  });
}

export function success(data: unknown, status = 200): Response {
  return json({ success: true, data }, status);
}

export function failure(status: number, message: string, headers = {}): Response {
  return json({ success: false, error: { code: status, message, type: 't' } }, status, headers);
}

/** Answers every fetch by "METHOD /path"; an unexpected one fails the test. Returns the requests. */
export function fakeApi(handlers: Record<string, Handler>): Request[] {
  const requests: Request[] = [];
  vi.stubGlobal(
    'fetch',
    vi.fn(async (input: RequestInfo | URL, init?: RequestInit) => {
      const target = input instanceof Request ? input : new URL(input, window.location.origin);
      const request = new Request(target, init);
      requests.push(request);
      const key = `${request.method} ${new URL(request.url).pathname}`;
      const handler = handlers[key];
      if (!handler) throw new Error(`Unexpected request: ${key}`);
      return handler(request);
    }),
  );
  return requests;
}

/** A JWT without a signature that ends in so many seconds. */
export function tokenFor(secondsLeft: number, name = 'token'): string {
  const part = (value: object) => btoa(JSON.stringify(value)).replaceAll('=', '');
  const exp = Math.floor(Date.now() / 1000) + secondsLeft;
  return `${part({ alg: 'none' })}.${part({ exp, name })}.signature`;
}

export function renderAt(element: ReactElement, path = '/', pattern = '*'): RenderResult {
  const router = createMemoryRouter(
    pattern === '*' ? [{ path: '*', element }] : [{ path: pattern, element }, { path: '*' }],
    { initialEntries: [path] },
  );
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(
    <QueryClientProvider client={client}>
      <NotificationProvider>
        <RouterProvider router={router} />
      </NotificationProvider>
    </QueryClientProvider>,
  );
}

/** Fails with every rule of axe that the markup breaks. (Colours need a real browser.) */
export async function expectAccessible(container: Element): Promise<void> {
  const { violations } = await axe.run(container, {
    rules: { 'color-contrast': { enabled: false }, region: { enabled: false } },
  });
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.html).join(' ')}`)).toEqual(
    [],
  );
}

export function aVideo(changes: Partial<Video> = {}): Video {
  return {
    id: 'v1',
    video: '/media/public/v1/master.m3u8',
    title: 'Fog over the harbour',
    description: 'One take.',
    user_id: 'u1',
    username: 'mara',
    duration: '1:30',
    duration_ms: 90_000,
    width: 1280,
    height: 720,
    thumbnail: '/media/public/v1/poster.webp',
    views: 12_345,
    tags: [{ id: 't1', name: 'fog' }],
    status: 'ready',
    playable: true,
    visibility: 'public',
    publish_at: null,
    renditions: [
      {
        name: '720p',
        width: 1280,
        height: 720,
        bandwidth: 2_000_000,
        average_bandwidth: 1_500_000,
        codecs: 'avc1.64001f,mp4a.40.2',
        frame_rate: 25,
        video_range: 'SDR',
      },
    ],
    storyboard: null,
    preview: null,
    dash: null,
    live: null,
    was_live: false,
    downloads: 'nobody',
    files: [],
    chapters: [],
    captions: [],
    CreatedAt: '2026-01-02T03:04:05Z',
    UpdatedAt: '2026-01-02T03:04:05Z',
    ...changes,
  };
}

export function aStream(changes: Partial<LiveStream> = {}): LiveStream {
  return {
    id: 's1',
    title: 'Evening walk',
    description: '',
    visibility: 'public',
    latency: 'low',
    record: true,
    reconnect_seconds: 60,
    clips_by: 'owner',
    chat: true,
    status: 'idle',
    video_id: null,
    rtmp_url: 'rtmp://site.example:1935/live',
    rtmps_url: null,
    srt_url: null,
    whip_url: null,
    scheduled_at: null,
    planned_id: null,
    created_at: '2026-01-02T03:04:05Z',
    ...changes,
  };
}

/** A stream in the answers that show its key, of an installation without SRT. */
export function withKey(stream: LiveStream, key: string): LiveStreamWithKey {
  return { ...stream, stream_key: key, srt_stream_id: null, srt_passphrase: null };
}

export function aJob(changes: Partial<Job> = {}): Job {
  return {
    id: 'v1',
    video_id: 'v1',
    user_id: 'u1',
    status: 'processing',
    title: 'Fog over the harbour',
    description: '',
    created_at: '2026-01-02T03:04:05Z',
    updated_at: '2026-01-02T03:04:05Z',
    progress: 40,
    playable: false,
    stage: 'encoding',
    attempts: 1,
    notes: [],
    ...changes,
  };
}
