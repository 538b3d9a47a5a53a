import { useQuery } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';

import type { Video } from '../api/models';
import { playerPosition } from '../player/position';
import { chatFacts, loadReplay, type ReplayedMessage, writtenBy } from './chat';
import { ChatFrame } from './ChatFrame';
import { MessageList } from './MessageList';

/** Messages that are shown at one time. */
const SHOWN = 200;

/** What was written during a live, beside the video that it has become. */
export function ChatReplay({ video }: { video: Video }) {
  const { data: messages } = useQuery({
    queryKey: ['chat replay', video.id],
    queryFn: async () => {
      const facts = await chatFacts(video.id);
      return facts.state === 'replay' ? loadReplay(video.id, video.video) : [];
    },
    staleTime: Infinity,
  });
  if (!messages || messages.length === 0) return null;
  return (
    <ChatFrame title="Chat replay">
      <Replayed messages={messages} />
    </ChatFrame>
  );
}

function Replayed({ messages }: { messages: readonly ReplayedMessage[] }) {
  const position = useSyncExternalStore(playerPosition.subscribe, playerPosition.get);
  const count = writtenBy(messages, position);
  const lines = messages
    .slice(Math.max(0, count - SHOWN), count)
    .map((message) => ({ ...message, time: inVideo(message.offset_ms) }));
  return <MessageList lines={lines} empty="Nobody had written yet." />;
}

function inVideo(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) =>
    String(part).padStart(2, '0'),
  );
  const hours = Math.floor(seconds / 3600);
  return (hours > 0 ? [hours, ...parts] : parts).join(':');
}
