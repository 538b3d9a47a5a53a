import { useEffect, useReducer } from 'react';

import type { ServerEvent } from '../jobs/sse';
import { afterEvent, type ChatState, EMPTY_CHAT, followChat } from './chat';

/** A running live's chat, as it goes on. */
export function useChat(videoId: string): ChatState {
  const [state, dispatch] = useReducer(reduce, EMPTY_CHAT);
  useEffect(() => {
    const abort = new AbortController();
    void followChat(videoId, abort.signal, dispatch, () => dispatch(LOST));
    return () => abort.abort();
  }, [videoId]);
  return state;
}

const LOST: ServerEvent = { event: 'away', data: '{}', id: null };

function reduce(state: ChatState, event: ServerEvent): ChatState {
  // The first event of each connection: messages are reached again.
  const reached = event.event === 'settings' ? { ...state, away: false } : state;
  return afterEvent(reached, event);
}
