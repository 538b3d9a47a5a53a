import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';

import type { LiveStream } from '../api/models';
import { queries } from '../api/queries';
import { Button } from '../ui/Button';
import { ConfirmDialog } from '../ui/Dialog';
import { useNotify } from '../ui/notifications';
import { InlineError } from '../ui/states';
import { deleteStream, endLive, setEnabled } from './liveStreams';
import { isLive } from './status';

/** End the live, stop and allow streaming, delete the stream. */
export function StreamActions({ stream }: { stream: LiveStream }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const notify = useNotify();
  const [asking, setAsking] = useState<'end' | 'delete' | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: queries.liveStreams().queryKey });
  const end = useMutation({
    mutationFn: () => endLive(stream.id),
    onSuccess: () => {
      setAsking(null);
      notify('The live has ended. It is a video now.');
    },
    onSettled: refresh,
  });
  const disabled = stream.status === 'disabled';
  const toggle = useMutation({
    mutationFn: () => setEnabled(stream.id, disabled),
    onSettled: refresh,
  });
  const remove = useMutation({
    mutationFn: () => deleteStream(stream.id),
    onSuccess: async () => {
      await refresh();
      await navigate('/live');
    },
  });
  return (
    <>
      <div className="flex flex-wrap gap-3">
        {isLive(stream) && (
          <Button variant="danger" onClick={() => setAsking('end')}>
            End the live
          </Button>
        )}
        <Button busy={toggle.isPending} onClick={() => toggle.mutate()}>
          {disabled ? 'Enable' : 'Disable'}
        </Button>
        {!isLive(stream) && (
          <Button variant="danger" onClick={() => setAsking('delete')}>
            Delete stream
          </Button>
        )}
      </div>
      <InlineError error={end.error ?? toggle.error ?? remove.error} />
      <ConfirmDialog
        open={asking === 'end'}
        title="End the live?"
        confirmLabel="End"
        busy={end.isPending}
        onConfirm={() => end.mutate()}
        onCancel={() => setAsking(null)}
      >
        Viewers see it to its end. Its video stays.
      </ConfirmDialog>
      <ConfirmDialog
        open={asking === 'delete'}
        title="Delete this stream?"
        confirmLabel="Delete"
        busy={remove.isPending}
        onConfirm={() => remove.mutate()}
        onCancel={() => setAsking(null)}
      >
        Its key stops working. Videos of its lives stay.
      </ConfirmDialog>
    </>
  );
}
