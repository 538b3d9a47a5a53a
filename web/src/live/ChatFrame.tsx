import { ChevronDown } from 'lucide-react';
import { type ReactNode, useState } from 'react';

import { cx } from '../ui/cx';
import { kept } from '../ui/kept';

const KEY = 'cinelog.chat';

/** The box beside the player; whether it is open is kept for the next film. */
export function ChatFrame({ title, children }: { title: string; children: ReactNode }) {
  const [open, setOpen] = useState(() => kept.get(KEY) !== 'closed');
  const toggle = () => {
    kept.set(KEY, open ? 'closed' : 'open');
    setOpen(!open);
  };
  return (
    <section aria-label={title} className="rounded-xl border border-line bg-surface max-md:mx-4">
      <h2>
        <button
          type="button"
          aria-expanded={open}
          onClick={toggle}
          className="flex min-h-11 w-full items-center justify-between px-4 font-bold"
        >
          {title}
          <ChevronDown
            aria-hidden="true"
            className={cx('h-5 w-5 transition-transform', open && 'rotate-180')}
          />
        </button>
      </h2>
      {open && <div className="border-t border-line">{children}</div>}
    </section>
  );
}
