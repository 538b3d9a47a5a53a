import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';

import type { Video, Visibility } from '../api/models';
import { queries } from '../api/queries';
import { countOf } from '../format/count';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { useNotify } from '../ui/notifications';
import { TagInput } from '../ui/TagInput';
import { BinHint } from './BinHint';
import { changeTags, forEach, type Outcome, remove, setVisibility, tagsOf } from './bulk';
import { useUndo } from './useUndo';
import { VisibilityChoice } from './VisibilityChoice';

export type BulkKind = 'visibility' | 'tags' | 'delete';

/** What is done with each video, and what is said once it is: "3 videos are private now". */
interface Work {
  task: (video: Video) => Promise<unknown>;
  said: (videos: string, one: boolean) => string;
  deletes?: boolean;
}

interface BulkDialogProps {
  kind: BulkKind | null;
  videos: readonly Video[];
  onClose: () => void;
  /** Those to which it was not done. */
  onLeft: (videos: readonly Video[]) => void;
}

const TITLES: Record<BulkKind, string> = {
  visibility: 'Who can see these videos?',
  tags: 'Change tags',
  delete: 'Delete these videos?',
};

export function BulkDialog({ kind, ...rest }: BulkDialogProps) {
  return (
    <Dialog open={kind !== null} title={kind ? TITLES[kind] : ''} onClose={rest.onClose}>
      {kind && <Bulk kind={kind} {...rest} />}
    </Dialog>
  );
}

function Bulk({ kind, videos, onClose, onLeft }: BulkDialogProps & { kind: BulkKind }) {
  // What was chosen when the dialog opened: a list that is read anew changes nothing of it.
  const [chosen] = useState(videos);
  const [done, setDone] = useState(0);
  const [last, setLast] = useState<{ work: Work; outcomes: Outcome[] } | null>(null);
  const stop = useRef<AbortController | null>(null);
  const client = useQueryClient();
  const notify = useNotify();
  const undo = useUndo();
  useEffect(() => () => stop.current?.abort(), []);

  const run = useMutation({
    mutationFn: async ({ work, of }: { work: Work; of: readonly Video[] }) => {
      setDone(0);
      stop.current = new AbortController();
      const { signal } = stop.current;
      return forEach(of, work.task, { signal, onDone: setDone });
    },
    onSuccess: (outcomes, { work }) => {
      const failed = outcomes.filter(({ error }) => error !== null);
      onLeft(failed.map(({ video }) => video));
      for (const { video } of outcomes) {
        void client.invalidateQueries({ queryKey: queries.video(video.id).queryKey });
      }
      void client.invalidateQueries(queries.usage());
      void client.invalidateQueries({ queryKey: queries.tags().queryKey });
      void client.invalidateQueries({ queryKey: ['videos'] });
      if (failed.length > 0) {
        setLast({ work, outcomes });
        return;
      }
      const said = work.said(countOf(outcomes.length, 'video'), outcomes.length === 1);
      notify(said, work.deletes ? undo(outcomes.map(({ video }) => video)) : undefined);
      onClose();
    },
  });

  if (run.isPending) {
    const { length } = run.variables.of;
    return <Progress done={done} all={length} onStop={() => stop.current?.abort()} />;
  }
  if (last) {
    const failed = last.outcomes.filter(({ error }) => error !== null);
    const again = failed.map(({ video }) => video);
    return (
      <Outcomes
        {...last}
        failed={failed}
        onAgain={() => run.mutate({ work: last.work, of: again })}
        onClose={onClose}
      />
    );
  }
  const start = (work: Work) => run.mutate({ work, of: chosen });
  if (kind === 'visibility') return <VisibilityForm onStart={start} onClose={onClose} />;
  if (kind === 'tags') return <TagsForm videos={chosen} onStart={start} onClose={onClose} />;
  return <DeleteForm videos={chosen} onStart={start} onClose={onClose} />;
}

function Progress({ done, all, onStop }: { done: number; all: number; onStop: () => void }) {
  return (
    <div className="mt-4">
      <p role="status">
        {done} of {countOf(all, 'video')} …
      </p>
      <progress value={done} max={all} aria-label="Done" className="mt-3 h-2 w-full" />
      <div className="mt-6 flex justify-end">
        <Button onClick={onStop}>Stop</Button>
      </div>
    </div>
  );
}

interface OutcomesProps {
  work: Work;
  outcomes: readonly Outcome[];
  failed: readonly Outcome[];
  onAgain: () => void;
  onClose: () => void;
}

function Outcomes({ work, outcomes, failed, onAgain, onClose }: OutcomesProps) {
  const done = outcomes.length - failed.length;
  return (
    <div className="mt-3">
      {done > 0 && <p>{work.said(countOf(done, 'video'), done === 1)}</p>}
      <p role="alert" className="mt-1 font-semibold text-danger">
        {countOf(failed.length, 'video')} {failed.length === 1 ? 'is' : 'are'} as before:
      </p>
      <ul className="mt-2 max-h-60 space-y-2 overflow-y-auto">
        {failed.map(({ video, error }) => (
          <li key={video.id} className="text-sm">
            <span dir="auto" className="font-semibold">
              {video.title}
            </span>
            <br />
            {error?.message}
          </li>
        ))}
      </ul>
      <div className="mt-6 flex justify-end gap-3">
        <Button onClick={onClose}>Close</Button>
        <Button variant="primary" onClick={onAgain}>
          Try again
        </Button>
      </div>
    </div>
  );
}

interface FormProps {
  onStart: (work: Work) => void;
  onClose: () => void;
}

function VisibilityForm({ onStart, onClose }: FormProps) {
  const [visibility, setVisible] = useState<Visibility | null>(null);
  const start = () => {
    if (visibility === null) return;
    onStart({
      task: setVisibility(visibility),
      said: (videos, one) =>
        visibility === 'draft'
          ? `${videos} ${one ? 'is a draft' : 'are drafts'} now.`
          : `${videos} ${one ? 'is' : 'are'} ${visibility} now.`,
    });
  };
  return (
    <div className="mt-5">
      <VisibilityChoice value={visibility} onChange={setVisible} />
      <Buttons label="Change" disabled={visibility === null} onStart={start} onClose={onClose} />
    </div>
  );
}

function TagsForm({ videos, onStart, onClose }: FormProps & { videos: readonly Video[] }) {
  const [added, setAdded] = useState<string[]>([]);
  const [removed, setRemoved] = useState<readonly string[]>([]);
  const present = tagsOf(videos);
  const start = () =>
    onStart({
      task: changeTags({ added, removed }),
      said: (videos, one) => `${videos} ${one ? 'has' : 'have'} other tags now.`,
    });
  const press = (tag: string) =>
    setRemoved((before) =>
      before.includes(tag) ? before.filter((other) => other !== tag) : [...before, tag],
    );
  return (
    <div className="mt-5 space-y-5">
      <TagInput label="Add" tags={added} onChange={setAdded} />
      {present.length > 0 && (
        <fieldset>
          <legend className="mb-1.5 text-sm font-semibold">Remove</legend>
          <div className="flex max-h-48 flex-wrap gap-x-4 overflow-y-auto">
            {present.map((tag) => (
              <label key={tag} className="flex min-h-11 cursor-pointer items-center gap-2">
                <input
                  type="checkbox"
                  checked={removed.includes(tag)}
                  onChange={() => press(tag)}
                  className="h-5 w-5 accent-accent"
                />
                <span dir="auto">{tag}</span>
              </label>
            ))}
          </div>
        </fieldset>
      )}
      <Buttons
        label="Change"
        disabled={added.length + removed.length === 0}
        onStart={start}
        onClose={onClose}
      />
    </div>
  );
}

function DeleteForm({ videos, onStart, onClose }: FormProps & { videos: readonly Video[] }) {
  const start = () =>
    onStart({
      task: remove,
      said: (which, one) => `${which} ${one ? 'has' : 'have'} been deleted.`,
      deletes: true,
    });
  return (
    <div className="mt-2">
      <p className="text-muted">
        {countOf(videos.length, 'video')} will be gone for everyone. <BinHint videos={videos} />
      </p>
      <Buttons label="Delete" danger onStart={start} onClose={onClose} />
    </div>
  );
}

interface ButtonsProps {
  label: string;
  danger?: boolean;
  disabled?: boolean;
  onStart: () => void;
  onClose: () => void;
}

function Buttons({ label, danger = false, disabled = false, onStart, onClose }: ButtonsProps) {
  return (
    <div className="mt-6 flex justify-end gap-3">
      <Button onClick={onClose}>Cancel</Button>
      <Button variant={danger ? 'danger' : 'primary'} disabled={disabled} onClick={onStart}>
        {label}
      </Button>
    </div>
  );
}
