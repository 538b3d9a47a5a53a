import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { act } from 'react';
import { beforeEach, describe, expect, it } from 'vitest';

import { session } from '../src/auth/session';
import { afterEvent, EMPTY_CHAT, writtenBy } from '../src/live/chat';
import { ChatPanel } from '../src/live/ChatPanel';
import { ChatReplay } from '../src/live/ChatReplay';
import { playerPosition } from '../src/player/position';
import { aVideo, expectAccessible, fakeApi, json, renderAt, success, tokenFor } from './stage';

const CHAT = '/api/v1/live/videos/v1/chat';
const FACTS = { state: 'open', slow_seconds: 0, is_owner: false, banned: false };

function message(id: string, text: string, username = 'bob') {
  return { id, at: 1_750_000_000_000, user_id: `u-${username}`, username, text };
}

const frame = (event: string, data: object, id = '') =>
  `${id ? `id: ${id}\n` : ''}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** A stream of events that a test goes on with. */
function aStream() {
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(made) {
      controller = made;
    },
  });
  return {
    response: () => new Response(body, { headers: { 'Content-Type': 'text/event-stream' } }),
    send: (text: string) => controller?.enqueue(encoder.encode(text)),
  };
}

beforeEach(() => {
  localStorage.clear();
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
});

describe('a running chat', () => {
  it('shows messages as text, and takes away what is removed', async () => {
    const events = aStream();
    fakeApi({
      [`GET ${CHAT}`]: () => success(FACTS),
      [`GET ${CHAT}/events`]: () => events.response(),
    });
    const { container } = renderAt(<ChatPanel videoId="v1" mine={false} />);
    const log = await screen.findByRole('log');
    events.send(frame('settings', { open: true, slow_seconds: 0 }));
    events.send(frame('message', message('1-0', '<b>hi</b>'), '1-0'));
    events.send(frame('message', message('2-0', 'second', 'mara'), '2-0'));
    expect(await within(log).findByText('<b>hi</b>')).toBeVisible();
    expect(screen.queryByRole('button', { name: 'Ban bob' })).toBeNull();
    expect(screen.getByRole('button', { name: 'Remove the message of mara' })).toBeInTheDocument();
    events.send(frame('removed', { id: '1-0' }, '3-0'));
    await waitFor(() => expect(screen.queryByText('<b>hi</b>')).toBeNull());
    await expectAccessible(container);
  });

  it('sends, and counts down in slow mode', async () => {
    const events = aStream();
    const requests = fakeApi({
      [`GET ${CHAT}`]: () => success(FACTS),
      [`GET ${CHAT}/events`]: () => events.response(),
      [`POST ${CHAT}/messages`]: () => success(message('9-0', 'Hello', 'mara'), 201),
    });
    renderAt(<ChatPanel videoId="v1" mine={false} />);
    await screen.findByRole('log');
    events.send(frame('settings', { open: true, slow_seconds: 30 }));
    expect(await screen.findByText(/one message every 30 s/)).toBeVisible();
    await userEvent.type(screen.getByLabelText('Your message'), 'Hello{Enter}');
    expect(await screen.findByText(/You can write again in (30|29) s/)).toBeVisible();
    const post = requests.find(({ method }) => method === 'POST');
    expect(await post?.clone().json()).toEqual({ text: 'Hello' });
    expect(screen.getByRole('button', { name: 'Send' })).toBeDisabled();
  });

  it('keeps what is typed while a message is on its way', async () => {
    const events = aStream();
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    fakeApi({
      [`GET ${CHAT}`]: () => success(FACTS),
      [`GET ${CHAT}/events`]: () => events.response(),
      [`POST ${CHAT}/messages`]: async () => {
        await arrived;
        return success(message('9-0', 'Hello', 'mara'), 201);
      },
    });
    renderAt(<ChatPanel videoId="v1" mine={false} />);
    const field = await screen.findByLabelText('Your message');
    await userEvent.type(field, 'Hello{Enter}');
    await userEvent.clear(field);
    await userEvent.type(field, 'And more');
    arrive();
    await waitFor(() => expect(screen.getByRole('button', { name: 'Send' })).toBeEnabled());
    expect(field).toHaveValue('And more');
  });

  it('says at once who may not write, and who may again', async () => {
    const events = aStream();
    fakeApi({
      [`GET ${CHAT}`]: () => success({ ...FACTS, banned: true }),
      [`GET ${CHAT}/events`]: () => events.response(),
    });
    renderAt(<ChatPanel videoId="v1" mine={false} />);
    expect(await screen.findByText(/can’t write in this chat/)).toBeVisible();
    events.send(frame('ban', { banned: false }, '2-0'));
    expect(await screen.findByLabelText('Your message')).toBeVisible();
    events.send(frame('ban', { banned: true }, '3-0'));
    expect(await screen.findByText(/can’t write in this chat/)).toBeVisible();
  });

  it('is moderated by its owner', async () => {
    const events = aStream();
    const requests = fakeApi({
      [`GET ${CHAT}`]: () => success({ ...FACTS, is_owner: true }),
      [`GET ${CHAT}/events`]: () => events.response(),
      [`PATCH ${CHAT}`]: () => success(FACTS),
      [`PUT ${CHAT}/bans/u-bob`]: () => new Response(null, { status: 204 }),
    });
    renderAt(<ChatPanel videoId="v1" mine />);
    await screen.findByRole('log');
    events.send(frame('message', message('1-0', 'spam'), '1-0'));
    await userEvent.click(await screen.findByRole('button', { name: 'Ban bob' }));
    await userEvent.click(screen.getByLabelText('In all my lives'));
    await userEvent.click(screen.getByRole('button', { name: 'Ban' }));
    const put = requests.find(({ method }) => method === 'PUT');
    expect(await put?.clone().json()).toEqual({ for_good: true });
    await userEvent.selectOptions(screen.getByLabelText('Slow mode'), '30');
    const patch = requests.find(({ method }) => method === 'PATCH');
    expect(await patch?.clone().json()).toEqual({ slow_seconds: 30 });
  });

  it('says that it is away, and stays collapsed', async () => {
    const events = aStream();
    fakeApi({
      [`GET ${CHAT}`]: () => success(FACTS),
      [`GET ${CHAT}/events`]: () => events.response(),
    });
    const { unmount } = renderAt(<ChatPanel videoId="v1" mine={false} />);
    await screen.findByRole('log');
    events.send(frame('away', {}));
    expect(await screen.findByText(/away for a moment/)).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'Chat' }));
    expect(screen.queryByRole('log')).toBeNull();
    unmount();
    renderAt(<ChatPanel videoId="v1" mine={false} />);
    expect(await screen.findByRole('button', { name: 'Chat', expanded: false })).toBeVisible();
  });

  it('is nothing where there is none', async () => {
    const requests = fakeApi({ [`GET ${CHAT}`]: () => success({ ...FACTS, state: 'off' }) });
    const { container } = renderAt(<ChatPanel videoId="v1" mine={false} />);
    await waitFor(() => expect(requests).toHaveLength(1));
    expect(container).toHaveTextContent('');
  });
});

describe('events', () => {
  it('that come twice are one message, and a slow reader comes back', () => {
    const event = { event: 'message', data: JSON.stringify(message('1-0', 'a')), id: '1-0' };
    const once = afterEvent(EMPTY_CHAT, event);
    expect(afterEvent(once, event).messages).toHaveLength(1);
    const end = (reason: string) => ({ event: 'end', data: JSON.stringify({ reason }), id: null });
    expect(afterEvent(once, end('too_slow')).over).toBe(false);
    expect(afterEvent(once, end('ended')).over).toBe(true);
  });
});

describe('a replay', () => {
  it('follows the position in the video, and jumps with it', async () => {
    const replay = [
      { id: '1-0', offset_ms: 0, user_id: 'u', username: 'bob', text: 'first' },
      { id: '2-0', offset_ms: 65_000, user_id: 'u', username: 'bob', text: 'later' },
    ];
    fakeApi({
      [`GET ${CHAT}`]: () => success({ ...FACTS, state: 'replay' }),
      'GET /media/public/v1/live/chat.json': () => json({ messages: replay, complete: true }),
    });
    playerPosition.set(0);
    renderAt(<ChatReplay video={aVideo({ was_live: true })} />);
    expect(await screen.findByText('first')).toBeVisible();
    expect(screen.queryByText('later')).toBeNull();
    act(() => playerPosition.set(70));
    expect(screen.getByText('later')).toBeVisible();
    expect(screen.getByText('01:05')).toBeVisible();
    act(() => playerPosition.set(3));
    expect(screen.queryByText('later')).toBeNull();
  });

  it('finds what was written by a time', () => {
    const all = [0, 1500, 3000].map((offset_ms, at) => ({
      id: `${at}`,
      offset_ms,
      username: 'a',
      text: 'b',
    }));
    expect([-1, 0, 1, 2, 99].map((at) => writtenBy(all, at))).toEqual([1, 1, 2, 3, 3]);
  });
});
