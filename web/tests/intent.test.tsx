import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import type { ReactElement } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { ApiError, networkError } from '../src/api/errors';
import { Intent, randomId } from '../src/api/intent';
import { session } from '../src/auth/session';
import { ClipButton } from '../src/live/ClipButton';
import { CreateStream } from '../src/live/CreateStream';
import { MessageForm } from '../src/live/MessageForm';
import { Simulcast } from '../src/live/Simulcast';
import SignUpPage from '../src/pages/SignUpPage';
import { failure, fakeApi, renderAt, success, tokenFor } from './stage';

/** As pages are that came by plain http. */
function withoutHttps() {
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
}

beforeEach(() => {
  // The time between two presses counts.
  vi.useFakeTimers({ toFake: ['Date'] });
  withoutHttps();
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
});

afterEach(() => {
  vi.useRealTimers();
});

describe('an intent', () => {
  it('has names that differ, over plain http, too', () => {
    expect(randomId()).toMatch(/^[0-9a-f]{32}$/);
    expect(randomId()).not.toBe(randomId());
  });

  it('keeps its key until it is done, refused or another one', () => {
    const intent = new Intent();
    const first = intent.keyFor('a');
    intent.settled(networkError());
    intent.settled(new ApiError(503, 'unavailable', 'Busy.'));
    expect(intent.keyFor('a')).toBe(first);
    const other = intent.keyFor('b');
    expect(other).not.toBe(first);
    intent.settled(new ApiError(409, 'conflict', 'No.'));
    const third = intent.keyFor('b');
    expect(third).not.toBe(other);
    intent.settled(null);
    expect(intent.keyFor('b')).not.toBe(third);
  });
});

const CLIPS = '/api/v1/live/videos/v1/clips';
const keysOf = (requests: Request[]) =>
  requests
    .filter(({ method }) => method === 'POST')
    .map(({ headers }) => headers.get('idempotency-key'));

const type = async (label: string, text: string) =>
  userEvent.type(await screen.findByLabelText(label), text);
const press = async (name: string | RegExp) => {
  const button = await screen.findByRole('button', { name });
  await waitFor(() => expect(button).toBeEnabled());
  await userEvent.click(button);
};

interface Asking {
  name: string;
  path: string;
  element: ReactElement;
  ask: () => Promise<void>;
  again: () => Promise<void>;
  others?: Record<string, () => Response>;
}

const STREAMS = '/api/v1/live/streams';
const chat = <MessageForm videoId="v1" closed={false} banned={false} slowSeconds={0} />;

const ASKING: Asking[] = [
  {
    name: 'a message',
    path: '/api/v1/live/videos/v1/chat/messages',
    element: chat,
    ask: () => type('Your message', 'Hello{Enter}'),
    again: () => press('Send'),
  },
  {
    name: 'a clip',
    path: CLIPS,
    element: <ClipButton videoId="v1" />,
    ask: () => press(/Clip/),
    again: () => press(/Clip/),
  },
  {
    name: 'a stream',
    path: STREAMS,
    element: <CreateStream />,
    ask: async () => {
      await type('Title', 'Walk');
      await press('Create stream');
    },
    again: () => press('Create stream'),
    others: { 'GET /api/v1/users/me': () => success({ default_visibility: 'public' }) },
  },
  {
    name: 'a target',
    path: `${STREAMS}/s1/simulcast-targets`,
    element: <Simulcast streamId="s1" />,
    ask: async () => {
      await type('Server of the other service', 'rtmps://live.example.com/app');
      await type('Its stream key', 'k');
      await press('Add');
    },
    again: () => press('Add'),
    others: { [`GET ${STREAMS}/s1/simulcast-targets`]: () => success([]) },
  },
  {
    name: 'an account',
    path: '/api/v1/auth/register',
    element: <SignUpPage />,
    ask: async () => {
      session.signOut();
      await type('Username', 'mara');
      await type('E-mail', 'mara@example.com');
      await type('Password', 'correct horse battery');
      await press('Create account');
    },
    again: () => press('Create account'),
  },
];

it.each(ASKING)('$name is asked for twice under one key', async (asking) => {
  const requests = fakeApi({
    ...asking.others,
    [`POST ${asking.path}`]: () => failure(503, 'Busy.'),
  });
  const keys = () => keysOf(requests);
  renderAt(asking.element);
  await asking.ask();
  await waitFor(() => expect(keys()).toHaveLength(1));
  await asking.again();
  await waitFor(() => expect(keys()).toHaveLength(2));
  expect(keys()[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(keys()[1]).toBe(keys()[0]);
});

it('the same words again are another message', async () => {
  const message = { id: '1-0', text: 'Hello' };
  const requests = fakeApi({
    'POST /api/v1/live/videos/v1/chat/messages': () => success(message, 201),
  });
  renderAt(chat);
  for (const count of [1, 2]) {
    await type('Your message', 'Hello{Enter}');
    await waitFor(() => expect(requests).toHaveLength(count));
    await waitFor(() => expect(screen.getByLabelText('Your message')).toHaveValue(''));
  }
  const [first, second] = requests.map(({ headers }) => headers.get('idempotency-key'));
  expect(second).not.toBe(first);
});

describe('another clip', () => {
  it('is asked for some seconds after a lost answer', async () => {
    const requests = fakeApi({ [`POST ${CLIPS}`]: () => failure(503, 'Busy.') });
    renderAt(<ClipButton videoId="v1" />);
    await press(/Clip/);
    await waitFor(() => expect(keysOf(requests)).toHaveLength(1));
    vi.setSystemTime(Date.now() + 11_000);
    await press(/Clip/);
    await waitFor(() => expect(keysOf(requests)).toHaveLength(2));
    expect(keysOf(requests)[1]).not.toBe(keysOf(requests)[0]);
  });

  it('is asked for where only what became of the first one is unknown', async () => {
    const requests = fakeApi({
      [`POST ${CLIPS}`]: () => success({ video_id: 'c1', state: 'waiting' }, 201),
      'GET /api/v1/live/clips/c1': () => failure(503, 'Busy.'),
    });
    renderAt(<ClipButton videoId="v1" />);
    await press(/Clip/);
    await screen.findByText(/briefly unavailable/);
    await press(/Clip/);
    await waitFor(() => expect(keysOf(requests)).toHaveLength(2));
    expect(keysOf(requests)[1]).not.toBe(keysOf(requests)[0]);
  });

  it('takes nobody along who has left the page', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    const requests = fakeApi({
      [`POST ${CLIPS}`]: () => success({ video_id: 'c1', state: 'waiting' }, 201),
    });
    const { unmount } = renderAt(<ClipButton videoId="v1" />);
    await press(/Clip/);
    await waitFor(() => expect(requests).toHaveLength(1));
    await vi.advanceTimersByTimeAsync(500);
    unmount();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(requests).toHaveLength(1);
  });
});
