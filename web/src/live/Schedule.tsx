import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';

import type { LiveStream } from '../api/models';
import { queries } from '../api/queries';
import { Button } from '../ui/Button';
import { TextField } from '../ui/Field';
import { InlineError } from '../ui/states';
import { fromLocalInput, toLocalInput, waitProblem } from '../videos/publication';
import { CopyField } from '../ui/CopyField';
import { setSchedule } from './liveStreams';

/** When the stream's next live begins, and the page that waits for it. */
export function Schedule({ stream }: { stream: LiveStream }) {
  const client = useQueryClient();
  const [chosen, setChosen] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const change = useMutation({
    mutationFn: (at: string | null) => setSchedule(stream.id, at),
    onSuccess: (changed) => {
      client.setQueryData(queries.liveStream(stream.id).queryKey, changed);
      setChosen(null);
    },
    onSettled: () => client.invalidateQueries({ queryKey: queries.liveStreams().queryKey }),
  });
  const at = chosen === null ? stream.scheduled_at : fromLocalInput(chosen);
  const plan = () => {
    const wrong = at === null ? 'Choose a time.' : waitProblem(at, Date.now());
    setProblem(wrong);
    if (wrong === null) change.mutate(at);
  };
  return (
    <div className="space-y-4">
      <TextField
        label="Begins at"
        hint="In your time zone"
        type="datetime-local"
        value={chosen ?? toLocalInput(stream.scheduled_at)}
        error={problem}
        onChange={({ target }) => {
          setChosen(target.value);
          setProblem(null);
        }}
      />
      <div className="flex flex-wrap gap-3">
        <Button busy={change.isPending} onClick={plan}>
          {stream.planned_id === null ? 'Plan the live' : 'Change the time'}
        </Button>
        {stream.planned_id !== null && (
          <Button busy={change.isPending} onClick={() => change.mutate(null)}>
            Cancel the plan
          </Button>
        )}
      </div>
      <InlineError error={change.error} />
      {stream.planned_id !== null && <Announcement plannedId={stream.planned_id} />}
    </div>
  );
}

function Announcement({ plannedId }: { plannedId: string }) {
  const path = `/planned/${plannedId}`;
  return (
    <>
      <CopyField label="Page to share" value={new URL(path, window.location.origin).href} />
      <p className="text-sm text-muted">
        <Link to={path} className="font-semibold underline">
          The page
        </Link>{' '}
        counts down, and becomes the live when it begins: a quarter of an hour before its time at
        the earliest. Three hours after it, a live that has not begun is cancelled.
      </p>
    </>
  );
}
