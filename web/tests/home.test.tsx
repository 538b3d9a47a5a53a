import { screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import HomePage from '../src/pages/HomePage';
import { aVideo, failure, fakeApi, renderAt, success } from './stage';

const LATEST = 'GET /api/v1/streaming/latest';
const PLANNED = 'GET /api/v1/live/planned';

const pageOf = (videos: object[]) =>
  success({ data: videos, page: 1, page_size: 13, total: videos.length, total_is_exact: true });
/** The same address has the newest videos and, with `live`, the running lives. */
const latest = (request: Request) =>
  pageOf(new URL(request.url).searchParams.has('live') ? [] : [aVideo()]);
const never = () => new Promise<Response>(() => undefined);
const video = { name: /Fog over the harbour/ };

describe('the newest videos', () => {
  beforeEach(() => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are shown although planned lives don’t come', async () => {
    fakeApi({ [LATEST]: latest, [PLANNED]: never });
    renderAt(<HomePage />);
    expect(await screen.findByRole('link', video)).toBeVisible();
  });

  it('stay while planned lives are asked for again', async () => {
    let asked = 0;
    fakeApi({
      [LATEST]: latest,
      [PLANNED]: () => ((asked += 1) === 1 ? failure(503, 'Busy.') : never()),
    });
    renderAt(<HomePage />);
    await screen.findByRole('link', video);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(asked).toBe(2);
    expect(screen.getByRole('link', video)).toBeVisible();
  });
});
