import { api, done, unwrap } from '../api/client';
import type { ChatMessage } from '../api/models';
import { authFetch } from '../auth/authFetch';
import { session } from '../auth/session';
import { type ServerEvent, readServerEvents } from '../jobs/sse';

/** Messages that a page keeps; older ones are in the replay. */
const KEPT = 500;
const RETRY_MS = 2_000;

export interface ChatState {
  messages: readonly ChatMessage[];
  open: boolean;
  slowSeconds: number;
  /** Whether the reader may not write; null while nothing has changed. */
  banned: boolean | null;
  /** Messages can't be reached for the moment. */
  away: boolean;
  /** Nothing more will come. */
  over: boolean;
}

export const EMPTY_CHAT: ChatState = {
  messages: [],
  open: true,
  slowSeconds: 0,
  banned: null,
  away: false,
  over: false,
};

interface Settings {
  open: boolean;
  slow_seconds: number;
}

/** The chat after one event of its stream. */
export function afterEvent(state: ChatState, { event, data }: ServerEvent): ChatState {
  const said: unknown = JSON.parse(data);
  switch (event) {
    case 'message':
      return withMessage(state, said as ChatMessage);
    case 'removed': {
      const { id } = said as { id: string };
      return { ...state, messages: state.messages.filter((message) => message.id !== id) };
    }
    case 'settings': {
      const { open, slow_seconds } = said as Settings;
      return { ...state, open, slowSeconds: slow_seconds };
    }
    case 'ban':
      return { ...state, banned: (said as { banned: boolean }).banned };
    case 'away':
      return { ...state, away: true };
    case 'back':
      return { ...state, away: false };
    case 'end':
      // Who was too slow, or came too late, comes back; all else is for good.
      return { ...state, over: (said as { reason: string }).reason !== 'too_slow' };
    default:
      return state;
  }
}

function withMessage(state: ChatState, message: ChatMessage): ChatState {
  if (state.messages.some(({ id }) => id === message.id)) return state;
  return { ...state, messages: [...state.messages, message].slice(-KEPT) };
}

/** Follows a chat until it is over or `signal` is aborted; comes back by itself. */
export async function followChat(
  videoId: string,
  signal: AbortSignal,
  onEvent: (event: ServerEvent) => void,
  onLost: () => void,
): Promise<void> {
  const url = new URL(`/api/v1/live/videos/${videoId}/chat/events`, window.location.origin);
  let last = '';
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      if (last) headers['Last-Event-ID'] = last;
      const response = await authFetch(session)(new Request(url, { headers, signal }));
      if (response.status === 404 || response.status === 409) return;
      if (response.ok && response.body) {
        for await (const event of readServerEvents(response.body)) {
          if (event.id !== null) last = event.id;
          onEvent(event);
          if (event.event === 'end' && afterEvent(EMPTY_CHAT, event).over) return;
        }
      }
    } catch {
      // The connection broke off: the next one goes on from the last event.
    }
    onLost();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

const at = (videoId: string) => ({ params: { path: { video_id: videoId } } });

export function chatFacts(videoId: string) {
  return unwrap(api.GET('/api/v1/live/videos/{video_id}/chat', at(videoId)));
}

export function writeMessage(videoId: string, text: string, key: string) {
  return unwrap(
    api.POST('/api/v1/live/videos/{video_id}/chat/messages', {
      params: {
        path: { video_id: videoId },
        header: { 'idempotency-key': key },
      },
      body: { text },
    }),
  );
}

export async function removeMessage(videoId: string, messageId: string): Promise<void> {
  await done(
    api.DELETE('/api/v1/live/videos/{video_id}/chat/messages/{message_id}', {
      params: { path: { video_id: videoId, message_id: messageId } },
    }),
  );
}

export async function banUser(videoId: string, userId: string, forGood: boolean): Promise<void> {
  await done(
    api.PUT('/api/v1/live/videos/{video_id}/chat/bans/{user_id}', {
      params: { path: { video_id: videoId, user_id: userId } },
      body: { for_good: forGood },
    }),
  );
}

export function changeChat(videoId: string, change: { open?: boolean; slow_seconds?: number }) {
  return unwrap(api.PATCH('/api/v1/live/videos/{video_id}/chat', { ...at(videoId), body: change }));
}

export interface ReplayedMessage {
  id: string;
  offset_ms: number;
  username: string;
  text: string;
}

/** The chat of a live that is a video now, from beside its playlist. */
export async function loadReplay(videoId: string, playlist: string): Promise<ReplayedMessage[]> {
  const url = new URL(playlist, window.location.origin);
  const [, media = '', token = ''] = url.pathname.split('/');
  const response = await fetch(new URL(`/${media}/${token}/${videoId}/live/chat.json`, url));
  if (!response.ok) return [];
  const { messages } = (await response.json()) as { messages: ReplayedMessage[] };
  return messages;
}

/** How many of the messages, which are in the order of their offsets, were written by then. */
export function writtenBy(messages: readonly ReplayedMessage[], seconds: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((messages[middle]?.offset_ms ?? 0) <= (seconds + 1) * 1000) low = middle + 1;
    else high = middle;
  }
  return low;
}
