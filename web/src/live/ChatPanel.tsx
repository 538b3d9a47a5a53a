import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import type { ChatMessage } from '../api/models';
import { useSession } from '../auth/AuthProvider';
import { Button } from '../ui/Button';
import { ConfirmDialog } from '../ui/Dialog';
import { InlineError } from '../ui/states';
import { banUser, changeChat, chatFacts, removeMessage } from './chat';
import { ChatFrame } from './ChatFrame';
import { MessageForm } from './MessageForm';
import { MessageList } from './MessageList';
import { useChat } from './useChat';

const SLOW_SECONDS = [0, 5, 30, 60, 300] as const;
const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hour12: false });

/** The chat of a running live. Nothing where there is none. */
export function ChatPanel({ videoId, mine }: { videoId: string; mine: boolean }) {
  const { data: facts } = useQuery({
    queryKey: ['chat', videoId],
    queryFn: () => chatFacts(videoId),
  });
  const available = facts?.state === 'open' || facts?.state === 'closed';
  if (!available) return null;
  return (
    <ChatFrame title="Chat">
      <RunningChat videoId={videoId} mine={mine} banned={facts.banned} />
    </ChatFrame>
  );
}

function RunningChat({
  videoId,
  mine,
  banned,
}: {
  videoId: string;
  mine: boolean;
  banned: boolean;
}) {
  const chat = useChat(videoId);
  const me = useSession()?.username;
  const [banning, setBanning] = useState<ChatMessage | null>(null);
  const remove = useMutation({ mutationFn: (id: string) => removeMessage(videoId, id) });
  const byId = new Map(chat.messages.map((message) => [message.id, message]));
  const lines = chat.messages.map((message) => ({
    ...message,
    time: clock.format(new Date(message.at)),
  }));
  const actions = (id: string) => {
    const message = byId.get(id);
    if (!message) return null;
    const own = message.username === me;
    return (
      <span className="ml-2 inline-flex gap-2 opacity-0 group-focus-within/line:opacity-100 group-hover/line:opacity-100 pointer-coarse:opacity-100">
        {(mine || own) && (
          <button
            type="button"
            aria-label={`Remove the message of ${message.username}`}
            className="text-xs text-muted underline"
            onClick={() => remove.mutate(id)}
          >
            Remove
          </button>
        )}
        {mine && !own && (
          <button
            type="button"
            aria-label={`Ban ${message.username}`}
            className="text-xs text-danger underline"
            onClick={() => setBanning(message)}
          >
            Ban
          </button>
        )}
      </span>
    );
  };
  return (
    <>
      <MessageList lines={lines} empty="Nobody has written yet." actions={actions} />
      <p role="status" className="px-4 text-sm text-muted empty:hidden">
        {chat.away && !chat.over && 'The chat is away for a moment. The video goes on.'}
        {chat.over && 'The chat is over.'}
      </p>
      <div className="space-y-3 p-4 pt-2">
        <InlineError error={remove.error} />
        {!chat.over && (
          // Whoever may write again begins with nothing: what was refused is over.
          <MessageForm
            key={String(chat.banned)}
            videoId={videoId}
            closed={!chat.open && !mine}
            banned={chat.banned ?? banned}
            slowSeconds={mine ? 0 : chat.slowSeconds}
          />
        )}
        {mine && !chat.over && (
          <Moderation videoId={videoId} open={chat.open} slowSeconds={chat.slowSeconds} />
        )}
      </div>
      {banning && (
        <BanDialog videoId={videoId} message={banning} onClose={() => setBanning(null)} />
      )}
    </>
  );
}

function Moderation({
  videoId,
  open,
  slowSeconds,
}: {
  videoId: string;
  open: boolean;
  slowSeconds: number;
}) {
  const change = useMutation({
    mutationFn: (wanted: { open?: boolean; slow_seconds?: number }) => changeChat(videoId, wanted),
  });
  return (
    <div className="flex flex-wrap items-center gap-3 border-t border-line pt-3 text-sm">
      <label className="flex items-center gap-2">
        Slow mode
        <select
          value={slowSeconds}
          className="min-h-9 rounded-lg border border-line bg-surface px-2 pointer-coarse:min-h-11"
          onChange={({ target }) => change.mutate({ slow_seconds: Number(target.value) })}
        >
          {[...new Set([...SLOW_SECONDS, slowSeconds])].map((seconds) => (
            <option key={seconds} value={seconds}>
              {seconds === 0 ? 'Off' : `${seconds} s`}
            </option>
          ))}
        </select>
      </label>
      <Button size="sm" busy={change.isPending} onClick={() => change.mutate({ open: !open })}>
        {open ? 'Close the chat' : 'Open the chat'}
      </Button>
      <InlineError error={change.error} />
    </div>
  );
}

function BanDialog({
  videoId,
  message,
  onClose,
}: {
  videoId: string;
  message: ChatMessage;
  onClose: () => void;
}) {
  const [forGood, setForGood] = useState(false);
  const ban = useMutation({
    mutationFn: () => banUser(videoId, message.user_id, forGood),
    onSuccess: onClose,
  });
  return (
    <ConfirmDialog
      open
      title={`Ban ${message.username}?`}
      confirmLabel="Ban"
      busy={ban.isPending}
      onConfirm={() => ban.mutate()}
      onCancel={onClose}
    >
      Their messages are removed, and they can’t write in this live any more.
      <label className="mt-3 flex items-center gap-2">
        <input
          type="checkbox"
          checked={forGood}
          onChange={({ target }) => setForGood(target.checked)}
        />
        In all my lives
      </label>
      <InlineError error={ban.error} />
    </ConfirmDialog>
  );
}
