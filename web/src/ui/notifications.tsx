import { X } from 'lucide-react';
import { createContext, type ReactNode, use, useCallback, useEffect, useState } from 'react';

import { IconButton } from './Button';

type Notify = (message: string) => void;

const NotifyContext = createContext<Notify>(() => undefined);
const SHOWN_MS = 6_000;

interface Note {
  id: number;
  message: string;
}

/** Short messages at the bottom of the screen, also read out by screen readers. */
export function NotificationProvider({ children }: { children: ReactNode }) {
  const [note, setNote] = useState<Note | null>(null);
  const notify = useCallback<Notify>((message) => {
    setNote((previous) => ({ id: (previous?.id ?? 0) + 1, message }));
  }, []);

  useEffect(() => {
    if (!note) return;
    const timer = setTimeout(() => setNote(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [note]);

  return (
    <NotifyContext value={notify}>
      {children}
      <div
        role="status"
        className="pointer-events-none fixed inset-x-0 bottom-20 z-50 flex justify-center px-4 md:bottom-6"
      >
        {note && (
          <div
            key={note.id}
            className="pointer-events-auto flex items-center gap-2 rounded-lg bg-ink py-1 pr-1 pl-4 text-bg shadow-xl"
          >
            <p className="py-2 text-sm font-medium">{note.message}</p>
            <IconButton
              label="Dismiss"
              className="h-9 w-9 text-bg hover:bg-bg/15 hover:text-bg"
              onClick={() => setNote(null)}
            >
              <X className="h-4 w-4" aria-hidden="true" />
            </IconButton>
          </div>
        )}
      </div>
    </NotifyContext>
  );
}

export function useNotify(): Notify {
  return use(NotifyContext);
}
