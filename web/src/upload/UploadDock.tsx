import { ChevronDown, X } from 'lucide-react';
import { useState } from 'react';
import { Link, useLocation } from 'react-router';

import { cx } from '../ui/cx';
import { IconButton } from '../ui/Button';
import type { UploadItem } from './machine';
import { SendProgress } from './SendProgress';
import { SentJob } from './SentJob';
import { useUploadQueue, useUploads } from './UploadProvider';

/** Uploads on their way, in a corner of every page but the upload page itself. */
export function UploadDock() {
  const { pathname } = useLocation();
  const [open, setOpen] = useState(false);
  const items = useUploads().filter(
    ({ state }) =>
      // The video's own page tells its story already.
      !(state.phase === 'sent' && pathname.startsWith(`/watch/${state.jobId}`)),
  );
  if (items.length === 0 || pathname === '/upload') return null;
  const sent = items.filter(({ state }) => state.phase === 'sent');
  // One that has arrived is worth its row; more of them hide what is still on its way.
  const folds = sent.length > 1;
  const shown = folds && !open ? items.filter(({ state }) => state.phase !== 'sent') : items;
  return (
    <aside
      aria-label="Uploads"
      className="fixed right-3 bottom-[4.5rem] left-3 z-20 max-h-[40dvh] overflow-y-auto rounded-xl border border-line bg-surface shadow-xl sm:left-auto sm:w-80 md:right-5 md:bottom-5 print:hidden"
    >
      {folds && (
        <button
          type="button"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
          className="flex min-h-11 w-full items-center justify-between px-3.5 text-sm font-bold"
        >
          {sent.length} uploaded
          <ChevronDown className={cx('h-4 w-4', open && 'rotate-180')} aria-hidden="true" />
        </button>
      )}
      <ul
        className={cx('divide-y divide-line', folds && shown.length > 0 && 'border-t border-line')}
      >
        {shown.map((item) => (
          <DockRow key={item.id} item={item} />
        ))}
      </ul>
    </aside>
  );
}

function DockRow({ item }: { item: UploadItem }) {
  const queue = useUploadQueue();
  const { state } = item;
  const to = state.phase === 'sent' ? `/watch/${state.jobId}` : '/upload';
  return (
    <li className="p-3.5">
      <div className="mb-1.5 flex items-center gap-2">
        <Link to={to} className="min-w-0 flex-1 truncate text-sm font-bold hover:underline">
          {item.details.title}
        </Link>
        {(state.phase === 'sent' || state.phase === 'failed') && (
          <IconButton
            label={`Hide ${item.details.title}`}
            className="-my-2 -mr-2 h-9 w-9"
            onClick={() => queue.remove(item.id)}
          >
            <X className="h-4 w-4" aria-hidden="true" />
          </IconButton>
        )}
      </div>
      {state.phase === 'failed' ? (
        <p role="alert" className="text-sm text-danger">
          {state.message}
        </p>
      ) : state.phase === 'sent' ? (
        <SentJob jobId={state.jobId} compact />
      ) : (
        <SendProgress item={item} compact />
      )}
    </li>
  );
}
