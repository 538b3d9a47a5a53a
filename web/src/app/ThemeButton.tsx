import { SunMoon } from 'lucide-react';
import { useCallback, useRef, useState } from 'react';

import { IconButton } from '../ui/Button';
import { useDismiss } from '../ui/useDismiss';
import { ThemeMenu } from './ThemeMenu';

/** The choice of theme for who has no account menu, which holds it otherwise. */
export function ThemeButton() {
  const [open, setOpen] = useState(false);
  const container = useRef<HTMLDivElement>(null);
  useDismiss(
    open,
    container,
    useCallback(() => setOpen(false), []),
  );
  return (
    <div ref={container} className="relative">
      <IconButton label="Theme" aria-expanded={open} onClick={() => setOpen(!open)}>
        <SunMoon className="h-5 w-5" aria-hidden="true" />
      </IconButton>
      {open && (
        <div className="absolute right-0 z-40 mt-2 rounded-xl bg-surface shadow-xl">
          <ThemeMenu />
        </div>
      )}
    </div>
  );
}
