import { SunMoon } from 'lucide-react';

import { IconButton } from '../ui/Button';
import { usePopup } from '../ui/usePopup';
import { ThemeMenu } from './ThemeMenu';

/** The choice of theme for who has no account menu, which holds it otherwise. */
export function ThemeButton() {
  const { open, container, toggle } = usePopup();
  return (
    <div ref={container} className="relative">
      <IconButton label="Theme" aria-expanded={open} onClick={toggle}>
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
