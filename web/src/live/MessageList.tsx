import { type ReactNode, useEffect, useRef, useState } from 'react';

import { Button } from '../ui/Button';

interface Line {
  id: string;
  username: string;
  text: string;
  time: string;
}

interface MessageListProps {
  lines: readonly Line[];
  empty: string;
  actions?: (id: string) => ReactNode;
}

/** Pixels from the end within which somebody counts as reading the newest message. */
const AT_END = 40;

/** Follows the newest message, unless somebody reads further up. */
export function MessageList({ lines, empty, actions }: MessageListProps) {
  const list = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const last = lines.at(-1)?.id;
  const toEnd = () => {
    const element = list.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  useEffect(() => {
    if (atEnd) toEnd();
  }, [last, atEnd]);
  return (
    <div className="relative">
      <div
        ref={list}
        role="log"
        aria-live="polite"
        aria-label="Messages"
        // Reachable by keyboard, so that it can be scrolled.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        className="h-80 overflow-y-auto p-4 text-sm xl:h-[26rem]"
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) =>
          setAtEnd(scrollHeight - scrollTop - clientHeight < AT_END)
        }
      >
        {lines.length === 0 && <p className="text-muted">{empty}</p>}
        <ul className="space-y-2">
          {lines.map((line) => (
            <li key={line.id} className="group/line">
              <span className="mr-1.5 text-xs text-muted tabular-nums">{line.time}</span>
              <bdi className="mr-1.5 font-semibold">{line.username}</bdi>
              <bdi>{line.text}</bdi>
              {actions?.(line.id)}
            </li>
          ))}
        </ul>
      </div>
      {!atEnd && (
        <Button
          size="sm"
          variant="primary"
          className="absolute bottom-2 left-1/2 -translate-x-1/2"
          onClick={() => {
            setAtEnd(true);
            toEnd();
          }}
        >
          New messages
        </Button>
      )}
    </div>
  );
}
