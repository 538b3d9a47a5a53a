import { X } from 'lucide-react';
import { createContext, type ReactNode, use, useCallback, useEffect, useState } from 'react';

import { IconButton } from './Button';

/** What may be done about what a message says, such as undoing it. */
interface Action {
  label: string;
  onPress: () => void;
}

type Notify = (message: string, action?: Action) => void;

const NotifyContext = createContext<Notify>(() => undefined);
const SHOWN_MS = 6_000;
/** With something to press, which has to be read and reached. */
const OFFERED_MS = 20_000;

interface Note {
  id: number;
  message: string;
  action: Action | undefined;
}

/** Short messages at the bottom of the screen, also read out by screen readers. */
export function NotificationProvider({ children }: { children: ReactNode }) {
  const [note, setNote] = useState<Note | null>(null);
  const notify = useCallback<Notify>((message, action) => {
    setNote((previous) => ({ id: (previous?.id ?? 0) + 1, message, action }));
  }, []);

  useEffect(() => {
    if (!note) return;
    const timer = setTimeout(() => setNote(null), note.action ? OFFERED_MS : SHOWN_MS);
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
            {note.action && (
              <button
                type="button"
                className="min-h-9 rounded-md px-3 text-sm font-semibold underline underline-offset-4 hover:bg-bg/15 pointer-coarse:min-h-11"
                onClick={() => {
                  setNote(null);
                  note.action?.onPress();
                }}
              >
                {note.action.label}
              </button>
            )}
            <IconButton
              label="Dismiss"
              className="h-9 w-9 text-bg! hover:bg-bg/15 pointer-coarse:h-11 pointer-coarse:w-11"
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
