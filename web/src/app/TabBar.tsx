import { Clapperboard, House, Tags, Upload } from 'lucide-react';
import { NavLink } from 'react-router';

import { cx } from '../ui/cx';

const TABS = [
  ['/', 'Newest', House],
  ['/tags', 'Tags', Tags],
  ['/upload', 'Upload', Upload],
  ['/videos', 'My videos', Clapperboard],
] as const;

/** The main navigation on a phone, where a thumb reaches it. */
export function TabBar() {
  return (
    <nav
      aria-label="Main"
      className="fixed inset-x-0 bottom-0 z-30 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] md:hidden print:hidden"
    >
      <ul className="grid grid-cols-4">
        {TABS.map(([to, label, Icon]) => (
          <li key={to}>
            <NavLink
              to={to}
              end={to === '/'}
              className={({ isActive }) =>
                cx(
                  'flex h-14 flex-col items-center justify-center gap-0.5 border-t-2 text-xs font-semibold',
                  isActive ? 'border-accent text-ink' : 'border-transparent text-muted',
                )
              }
            >
              <Icon className="h-5 w-5" aria-hidden="true" />
              {label}
            </NavLink>
          </li>
        ))}
      </ul>
    </nav>
  );
}
