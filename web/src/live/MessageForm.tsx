import { useMutation } from '@tanstack/react-query';
import { type SyntheticEvent, useEffect, useState } from 'react';
import { Link } from 'react-router';

import { ApiError } from '../api/errors';
import { useIntent } from '../api/intent';
import { useSession } from '../auth/AuthProvider';
import { Button } from '../ui/Button';
import { InlineError } from '../ui/states';
import { writeMessage } from './chat';

const MAX_LENGTH = 300;

interface MessageFormProps {
  videoId: string;
  closed: boolean;
  banned: boolean;
  slowSeconds: number;
}

/** Where somebody writes, or why they can't. */
export function MessageForm({ videoId, closed, banned, slowSeconds }: MessageFormProps) {
  const user = useSession();
  const [text, setText] = useState('');
  const [left, wait] = useCountdown();
  const intent = useIntent();
  const write = useMutation({
    mutationFn: ({ key, message }: { key: string; message: string }) =>
      writeMessage(videoId, message, key),
    onSettled: (_, error) => intent.settled(error),
    onSuccess: (_, { message }) => {
      // What was typed meanwhile stays.
      setText((now) => (now.trim() === message ? '' : now));
      wait(slowSeconds);
    },
    onError: (error) => {
      if (error instanceof ApiError && error.status === 429) wait(error.retryAfter ?? 1);
    },
  });
  const refused = write.error instanceof ApiError ? write.error : null;
  if (!user) {
    return (
      <p className="text-sm">
        <Link to="/login" className="font-semibold underline">
          Log in
        </Link>{' '}
        to write.
      </p>
    );
  }
  if (banned || refused?.type === 'chat_banned') {
    return <p className="text-sm text-muted">You can’t write in this chat.</p>;
  }
  if (closed) return <p className="text-sm text-muted">The chat is closed.</p>;
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const message = text.trim();
    if (message !== '' && left === 0) write.mutate({ key: intent.keyFor(message), message });
  };
  return (
    <form onSubmit={submit} className="space-y-2">
      <div className="flex gap-2">
        <input
          aria-label="Your message"
          dir="auto"
          value={text}
          maxLength={MAX_LENGTH}
          placeholder="Say something"
          className="min-h-9 min-w-0 flex-1 rounded-lg border border-edge bg-surface px-3 text-sm pointer-coarse:min-h-11"
          onChange={({ target }) => setText(target.value)}
        />
        <Button
          type="submit"
          size="sm"
          variant="primary"
          busy={write.isPending}
          disabled={left > 0 || text.trim() === ''}
        >
          Send
        </Button>
      </div>
      {left > 0 && (
        <p className="text-sm text-muted tabular-nums">You can write again in {left} s.</p>
      )}
      {slowSeconds > 0 && left === 0 && (
        <p className="text-sm text-muted">Slow mode: one message every {slowSeconds} s.</p>
      )}
      {refused?.status !== 429 && <InlineError error={write.error} />}
    </form>
  );
}

/** Seconds that are left, and a function that begins to count down from a number of them. */
function useCountdown(): [number, (seconds: number) => void] {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (left <= 0) return;
    const timer = setTimeout(() => setLeft(left - 1), 1_000);
    return () => clearTimeout(timer);
  }, [left]);
  return [left, (seconds) => setLeft(Math.ceil(seconds))];
}
