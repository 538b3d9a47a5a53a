import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, expect, it } from 'vitest';

import type { Clip, LiveStream, SimulcastTarget } from '../src/api/models';
import { session } from '../src/auth/session';
import { Clips } from '../src/live/Clips';
import { Simulcast } from '../src/live/Simulcast';
import { targetWords } from '../src/live/simulcast';
import { expectAccessible, failure, fakeApi, renderAt, success, tokenFor } from './stage';

const STREAM = '/api/v1/live/streams/s1';
const TARGETS = `${STREAM}/simulcast-targets`;

function aTarget(changes: Partial<SimulcastTarget> = {}): SimulcastTarget {
  return {
    id: 't1',
    name: 'Another site',
    url: 'rtmps://live.example.com/app',
    enabled: true,
    state: 'broadcasting',
    error: null,
    dropped: 0,
    since: null,
    created_at: '2026-01-02T03:04:05Z',
    ...changes,
  };
}

function aClip(changes: Partial<Clip> = {}): Clip {
  return {
    video_id: 'c1',
    source_id: 'v1',
    live_id: 's1',
    title: 'Goal!',
    seconds: 30,
    state: 'ready',
    reason: null,
    started_at: '2026-01-02T03:04:05Z',
    duration_ms: 31_000,
    asked_at: '2026-01-02T03:04:35Z',
    ...changes,
  };
}

beforeEach(() => {
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
});

it('targets say in words how they are doing', () => {
  expect(targetWords(aTarget())).toBe('Sending.');
  expect(targetWords(aTarget({ dropped: 7 }))).toBe('Sending. It was too slow for 7 frames.');
  const lost = aTarget({ state: 'errored', error: 'It closed the connection.' });
  expect(targetWords(lost)).toBe('Given up. It closed the connection.');
});

it('targets are added with a key that is not kept, switched and removed', async () => {
  const requests = fakeApi({
    [`GET ${TARGETS}`]: () => success([aTarget()]),
    [`POST ${TARGETS}`]: () => success(aTarget({ id: 't2' }), 201),
    [`PATCH ${TARGETS}/t1`]: () => success(aTarget({ enabled: false, state: 'disabled' })),
    [`DELETE ${TARGETS}/t1`]: () => new Response(null, { status: 204 }),
  });
  const { container } = renderAt(<Simulcast streamId="s1" />);
  const item = within(await screen.findByRole('listitem'));
  expect(item.getByText('Sending.')).toBeVisible();
  await userEvent.type(screen.getByLabelText(/Server/), 'rtmps://live.example.com/app');
  await userEvent.type(screen.getByLabelText(/stream key/), 'secret');
  await userEvent.click(screen.getByRole('button', { name: 'Add' }));
  const made = requests.find(({ method }) => method === 'POST');
  expect(await made?.clone().json()).toEqual({
    url: 'rtmps://live.example.com/app',
    stream_key: 'secret',
    name: '',
  });
  expect(await screen.findByLabelText(/stream key/)).toHaveValue('');
  await userEvent.click(screen.getByRole('button', { name: 'Switch off' }));
  await userEvent.click(screen.getByRole('button', { name: 'Remove Another site' }));
  expect(requests.map(({ method }) => method)).toEqual(expect.arrayContaining(['PATCH', 'DELETE']));
  await expectAccessible(container);
});

it('a target by SRT needs no stream key', async () => {
  const address = 'srt://live.example.com:9000?streamid=k&passphrase=0123456789';
  const requests = fakeApi({
    [`GET ${TARGETS}`]: () => success([]),
    [`POST ${TARGETS}`]: () => success(aTarget({ url: 'srt://live.example.com:9000' }), 201),
  });
  renderAt(<Simulcast streamId="s1" />);
  expect(screen.getByLabelText(/stream key/)).toBeRequired();
  await userEvent.type(screen.getByLabelText(/Server/), address);
  expect(screen.getByLabelText(/stream ID/)).not.toBeRequired();
  await userEvent.click(screen.getByRole('button', { name: 'Add' }));
  const made = requests.find(({ method }) => method === 'POST');
  expect(await made?.clone().json()).toEqual({ url: address, stream_key: '', name: '' });
});

it('a target that is refused says why', async () => {
  fakeApi({
    [`GET ${TARGETS}`]: () => success([]),
    [`POST ${TARGETS}`]: () => failure(400, 'The url must begin with rtmp://, rtmps:// or srt://.'),
  });
  renderAt(<Simulcast streamId="s1" />);
  await userEvent.type(screen.getByLabelText(/Server/), 'x');
  await userEvent.type(screen.getByLabelText(/stream key/), 'k');
  await userEvent.click(screen.getByRole('button', { name: 'Add' }));
  expect(await screen.findByText(/must begin with rtmp/)).toBeVisible();
});

it('clips are listed with their real length, and viewers may be allowed to make them', async () => {
  const requests = fakeApi({
    [`GET ${STREAM}/clips`]: () =>
      success([
        aClip(),
        aClip({ video_id: 'c2', title: 'Late', state: 'failed', reason: 'The live was deleted.' }),
      ]),
    [`PATCH ${STREAM}`]: () => success({}),
  });
  const stream = { id: 's1', video_id: null, clips_by: 'owner' } as LiveStream;
  const { container } = renderAt(<Clips stream={stream} />);
  expect(await screen.findByRole('link', { name: 'Goal!' })).toHaveAttribute('href', '/watch/c1');
  expect(screen.getByText('31.0 s')).toBeVisible();
  expect(screen.getByText('The live was deleted.')).toBeVisible();
  await userEvent.click(screen.getByRole('checkbox'));
  const changed = requests.find(({ method }) => method === 'PATCH');
  expect(await changed?.clone().json()).toEqual({ clips_by: 'everyone' });
  await expectAccessible(container);
});
