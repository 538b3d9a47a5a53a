import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Captions as CaptionsIcon, ListTree, Pencil, Trash2 } from 'lucide-react';
import { useState } from 'react';

import { toApiError } from '../api/errors';
import type { Video } from '../api/models';
import { queries } from '../api/queries';
import { deleteVideo } from '../api/videos';
import { Button } from '../ui/Button';
import { ButtonLink } from '../ui/ButtonLink';
import { ConfirmDialog } from '../ui/Dialog';
import { useNotify } from '../ui/notifications';
import { BinHint } from './BinHint';
import { CaptionsDialog } from './CaptionsDialog';
import { EditDialog } from './EditDialog';
import { useUndo } from './useUndo';

interface OwnerActionsProps {
  video: Video;
  onDeleted?: () => void;
}

export function OwnerActions({ video, onDeleted }: OwnerActionsProps) {
  const [open, setOpen] = useState<'edit' | 'captions' | 'delete' | null>(null);
  const client = useQueryClient();
  const notify = useNotify();
  const undo = useUndo();
  const remove = useMutation({
    mutationFn: () => deleteVideo(video.id),
    onSuccess: async () => {
      setOpen(null);
      notify('The video has been deleted.', undo([video]));
      onDeleted?.();
      client.removeQueries({ queryKey: queries.video(video.id).queryKey });
      void client.invalidateQueries(queries.usage());
      await client.invalidateQueries({ queryKey: ['videos'] });
    },
  });
  return (
    <div className="flex flex-wrap gap-2">
      <ButtonLink size="sm" to={`/watch/${video.id}/story`}>
        <ListTree className="h-4 w-4" aria-hidden="true" />
        Story
      </ButtonLink>
      <Button size="sm" onClick={() => setOpen('edit')}>
        <Pencil className="h-4 w-4" aria-hidden="true" />
        Edit
      </Button>
      <Button size="sm" onClick={() => setOpen('captions')}>
        <CaptionsIcon className="h-4 w-4" aria-hidden="true" />
        Captions
      </Button>
      <Button size="sm" variant="danger" onClick={() => setOpen('delete')}>
        <Trash2 className="h-4 w-4" aria-hidden="true" />
        Delete
      </Button>
      <CaptionsDialog video={video} open={open === 'captions'} onClose={() => setOpen(null)} />
      <EditDialog video={video} open={open === 'edit'} onClose={() => setOpen(null)} />
      <ConfirmDialog
        open={open === 'delete'}
        title="Delete this video?"
        confirmLabel="Delete"
        busy={remove.isPending}
        error={remove.error ? toApiError(remove.error).message : undefined}
        onConfirm={() => remove.mutate()}
        onCancel={() => setOpen(null)}
      >
        “{video.title}” will be gone for everyone. <BinHint videos={[video]} />
      </ConfirmDialog>
    </div>
  );
}
