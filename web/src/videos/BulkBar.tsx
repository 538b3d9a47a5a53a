import { Eye, Tags, Trash2, X } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';

import type { Video } from '../api/models';
import { countOf } from '../format/count';
import { Button, IconButton } from '../ui/Button';
import { ButtonLink } from '../ui/ButtonLink';
import { BulkDialog, type BulkKind } from './BulkDialog';
import type { Selection } from './selection';

interface BulkBarProps {
  /** Those of the page. */
  videos: readonly Video[];
  selection: Selection;
  /** What is said where nothing is chosen. */
  children: React.ReactNode;
}

/** Chooses all of the page, and says what can be done with what is chosen. */
export function BulkBar({ videos, selection, children }: BulkBarProps) {
  const [open, setOpen] = useState<BulkKind | null>(null);
  const { count } = selection;
  return (
    <div className="sticky top-16 z-10 flex min-h-14 flex-wrap items-center gap-x-2 gap-y-1 bg-bg py-1">
      <All selection={selection} />
      <p role="status" className="mr-auto text-sm text-muted">
        {count === 0 ? children : `${countOf(count, 'video')} chosen`}
      </p>
      {count === 0 ? (
        <ButtonLink size="sm" to="/videos/bin">
          <Trash2 className="h-4 w-4" aria-hidden="true" />
          Bin
        </ButtonLink>
      ) : (
        <div className="flex flex-wrap items-center gap-2">
          <Button size="sm" onClick={() => setOpen('visibility')}>
            <Eye className="h-4 w-4" aria-hidden="true" />
            Visibility
          </Button>
          <Button size="sm" onClick={() => setOpen('tags')}>
            <Tags className="h-4 w-4" aria-hidden="true" />
            Tags
          </Button>
          <Button size="sm" variant="danger" onClick={() => setOpen('delete')}>
            <Trash2 className="h-4 w-4" aria-hidden="true" />
            Delete
          </Button>
          <IconButton label="Choose none" onClick={() => selection.keep([])}>
            <X className="h-4 w-4" aria-hidden="true" />
          </IconButton>
        </div>
      )}
      <BulkDialog
        kind={open}
        videos={videos.filter(({ id }) => selection.has(id))}
        onClose={() => setOpen(null)}
        onLeft={(left) => selection.keep(left.map(({ id }) => id))}
      />
    </div>
  );
}

function All({ selection: { all, count, pressAll } }: { selection: Selection }) {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (box.current) box.current.indeterminate = count > 0 && !all;
  }, [count, all]);
  return (
    <label className="flex h-11 w-11 cursor-pointer items-center justify-center">
      <input
        ref={box}
        type="checkbox"
        aria-label="Choose all on this page"
        checked={all}
        onChange={pressAll}
        className="h-5 w-5 accent-accent"
      />
    </label>
  );
}
