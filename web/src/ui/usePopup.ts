import { type RefObject, useCallback, useRef, useState } from 'react';

import { useDismiss } from './useDismiss';

interface Popup {
  open: boolean;
  /** Holds the button and what it opens. */
  container: RefObject<HTMLDivElement | null>;
  toggle: () => void;
  close: () => void;
}

/** What a button opens, and everything else closes. */
export function usePopup(): Popup {
  const [open, setOpen] = useState(false);
  const container = useRef<HTMLDivElement>(null);
  const toggle = useCallback(() => setOpen((before) => !before), []);
  const close = useCallback(() => setOpen(false), []);
  useDismiss(open, container, close);
  return { open, container, toggle, close };
}
