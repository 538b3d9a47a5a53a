import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { PlannedLive } from '../src/api/models';
import { session } from '../src/auth/session';
import { askAgainMs, countdown, lateWords, lookAgainMs, plannedTime } from '../src/live/planned';
import { Schedule } from '../src/live/Schedule';
import PlannedPage from '../src/pages/PlannedPage';
import { toLocalInput } from '../src/videos/publication';
import { Upcoming } from '../src/videos/Upcoming';
import {
  aStream,
  aVideo,
  expectAccessible,
  failure,
  fakeApi,
  renderAt,
  success,
  tokenFor,
} from './stage';

const PLANNED = '/api/v1/live/planned';
const MINUTE_MS = 60_000;
const from = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString();

function aPlan(changes: Partial<PlannedLive> = {}): PlannedLive {
  return {
    id: 'p1',
    user_id: 'u1',
    username: 'mara',
    title: 'Evening walk',
    description: 'By the harbour.',
    visibility: 'public',
    scheduled_at: from(90 * MINUTE_MS),
    state: 'planned',
    video_id: null,
    ...changes,
  };
}

const page = () => renderAt(<PlannedPage />, '/planned/p1', '/planned/:plannedId');

beforeEach(() => {
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
});

afterEach(() => {
  vi.useRealTimers();
});

describe('the time of a planned live', () => {
  const at = '2026-03-04T18:00:00Z';
  const now = (iso: string) => Date.parse(iso);

  it('is counted down', () => {
    expect(countdown(at, now('2026-03-04T17:58:30Z'))).toBe('1:30');
    expect(countdown(at, now('2026-03-04T16:57:00Z'))).toBe('1:03:00');
    expect(countdown(at, now('2026-03-03T17:00:00Z'))).toBe('1 day 1:00:00');
    expect(countdown(at, now('2026-03-01T17:59:00Z'))).toBe('3 days 1:00');
    expect(countdown(at, now(at))).toBeNull();
  });

  it('is late in words', () => {
    expect(lateWords(at, now('2026-03-04T18:00:20Z'))).toBe('It begins any moment.');
    expect(lateWords(at, now('2026-03-04T18:07:00Z'))).toContain('it was to begin 7 minutes ago');
  });

  it('is the reader’s own, and says whose that is', () => {
    const words = plannedTime(at);
    expect(words).toContain(new Date(at).toLocaleDateString('en', { weekday: 'long' }));
    expect(words).toMatch(/UTC|GMT|[A-Z]{2,4}T?/);
  });

  it('is looked at more often when it comes', () => {
    expect(lookAgainMs(at, now('2026-03-04T12:00:00Z'))).toBeGreaterThan(
      lookAgainMs(at, now('2026-03-04T17:50:00Z')),
    );
  });
});

it('the video of a live that has begun is asked for less and less, and not for ever', () => {
  const often = askAgainMs(0);
  const seldom = askAgainMs(2 * MINUTE_MS);
  expect(often).toBeGreaterThan(0);
  expect(seldom).toBeGreaterThan(often || 0);
  expect(askAgainMs(60 * MINUTE_MS)).toBe(false);
});

describe('the page of a planned live', () => {
  it('counts down', async () => {
    fakeApi({ [`GET ${PLANNED}/p1`]: () => success(aPlan()) });
    const { container } = page();
    expect(await screen.findByRole('timer')).toHaveTextContent(/1:(29|30):\d\d/);
    expect(screen.getByRole('heading', { name: 'Evening walk' })).toBeVisible();
    expect(screen.getByRole('link', { name: /mara/ })).toHaveAttribute('href', '/u/mara');
    await expectAccessible(container);
  });

  it('says that it is late', async () => {
    fakeApi({
      [`GET ${PLANNED}/p1`]: () => success(aPlan({ scheduled_at: from(-5.5 * MINUTE_MS) })),
    });
    page();
    expect(await screen.findByText(/It is late: it was to begin 5 minutes ago/)).toBeVisible();
    expect(screen.queryByRole('timer')).toBeNull();
  });

  it('becomes the live by itself', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    let begun = false;
    fakeApi({
      [`GET ${PLANNED}/p1`]: () =>
        success(
          aPlan(begun ? { state: 'begun', video_id: 'v1' } : { scheduled_at: from(5 * MINUTE_MS) }),
        ),
      'GET /api/v1/streaming/id/v1': () => success(aVideo()),
    });
    page();
    await screen.findByRole('timer');
    begun = true;
    await vi.advanceTimersByTimeAsync(6_000);
    // There is no other page in this test.
    await vi.waitFor(() => expect(screen.queryByText('Evening walk')).toBeNull());
  });

  it('waits for a video that is not there yet', async () => {
    fakeApi({
      [`GET ${PLANNED}/p1`]: () => success(aPlan({ state: 'begun', video_id: 'v1' })),
      'GET /api/v1/streaming/id/v1': () => failure(404, 'No such video.'),
    });
    page();
    expect(await screen.findByText(/isn’t here yet/)).toBeVisible();
  });

  it('says the same while it asks, and stops asking', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    let asked = 0;
    fakeApi({
      [`GET ${PLANNED}/p1`]: () => success(aPlan({ state: 'begun', video_id: 'v1' })),
      'GET /api/v1/streaming/id/v1': () => {
        asked += 1;
        return failure(404, 'No such video.');
      },
    });
    page();
    const words = await screen.findByText(/isn’t here yet/);
    const said: (string | null)[] = [];
    new MutationObserver(() => said.push(words.textContent)).observe(words, {
      childList: true,
      characterData: true,
      subtree: true,
    });
    await vi.advanceTimersByTimeAsync(12 * MINUTE_MS);
    expect(asked).toBeGreaterThan(10);
    expect(asked).toBeLessThan(100);
    expect(said).toEqual([expect.stringContaining('Reload the page to look again.')]);
  });

  it('is gone as soon as its plan is', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    let gone = false;
    const requests = fakeApi({
      [`GET ${PLANNED}/p1`]: () => (gone ? failure(404, 'There is none.') : success(aPlan())),
    });
    page();
    await screen.findByRole('timer');
    gone = true;
    await vi.advanceTimersByTimeAsync(61_000);
    expect(await screen.findByText('This live isn’t here')).toBeVisible();
    const asked = requests.length;
    await vi.advanceTimersByTimeAsync(5 * MINUTE_MS);
    expect(requests).toHaveLength(asked);
  });

  it('says that it was cancelled', async () => {
    fakeApi({ [`GET ${PLANNED}/p1`]: () => success(aPlan({ state: 'cancelled' })) });
    page();
    expect(await screen.findByText('This live was cancelled.')).toBeVisible();
  });

  it('is nowhere for who may not see it', async () => {
    fakeApi({
      [`GET ${PLANNED}/p1`]: () => failure(404, 'There is none.'),
    });
    page();
    expect(await screen.findByText('This live isn’t here')).toBeVisible();
  });
});

describe('planning a live', () => {
  it('takes a time that is to come', async () => {
    const planned = aStream({ scheduled_at: from(60 * MINUTE_MS), planned_id: 'p1' });
    const requests = fakeApi({
      'PATCH /api/v1/live/streams/s1': () => success(planned),
    });
    const { container } = renderAt(<Schedule stream={aStream()} />);
    const field = screen.getByLabelText('Begins at');
    await userEvent.type(field, toLocalInput(from(-60 * MINUTE_MS)));
    await userEvent.click(screen.getByRole('button', { name: 'Plan the live' }));
    expect(screen.getByText('Choose a time in the future.')).toBeVisible();
    expect(requests).toHaveLength(0);
    await userEvent.clear(field);
    const wanted = toLocalInput(planned.scheduled_at);
    await userEvent.type(field, wanted);
    await userEvent.click(screen.getByRole('button', { name: 'Plan the live' }));
    expect(await requests[0]?.clone().json()).toEqual({
      scheduled_at: new Date(wanted).toISOString(),
    });
    await expectAccessible(container);
  });

  it('shows the page to share, and cancels', async () => {
    const requests = fakeApi({ 'PATCH /api/v1/live/streams/s1': () => success(aStream()) });
    renderAt(
      <Schedule stream={aStream({ scheduled_at: from(60 * MINUTE_MS), planned_id: 'p1' })} />,
    );
    expect(screen.getByLabelText('Page to share')).toHaveValue(
      `${window.location.origin}/planned/p1`,
    );
    await userEvent.click(screen.getByRole('button', { name: 'Cancel the plan' }));
    expect(await requests[0]?.clone().json()).toEqual({ scheduled_at: null });
  });
});

describe('upcoming lives', () => {
  it('are listed with their times', async () => {
    fakeApi({ [`GET ${PLANNED}`]: () => success([aPlan()]) });
    const { container } = renderAt(<Upcoming userId={null} />);
    expect(await screen.findByRole('link', { name: 'Evening walk' })).toHaveAttribute(
      'href',
      '/planned/p1',
    );
    expect(screen.getByText('mara')).toBeVisible();
    await expectAccessible(container);
  });
});
