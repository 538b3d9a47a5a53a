import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';

import type { Video } from '../api/models';
import { queries } from '../api/queries';
import { changeDownloads, changeVisibility, editVideo } from '../api/videos';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { TextArea, TextField } from '../ui/Field';
import { InlineError } from '../ui/states';
import { MAX_DESCRIPTION, MAX_TITLE } from './limits';
import { type Publication, publishAtProblem } from './publication';
import { PublicationChoice } from './VisibilityChoice';

interface EditDialogProps {
  video: Video;
  open: boolean;
  onClose: () => void;
}

export function EditDialog({ video, open, onClose }: EditDialogProps) {
  return (
    <Dialog open={open} title="Edit video" onClose={onClose}>
      <EditForm video={video} onClose={onClose} />
    </Dialog>
  );
}

function EditForm({ video, onClose }: Omit<EditDialogProps, 'open'>) {
  const client = useQueryClient();
  const [title, setTitle] = useState(video.title);
  const [description, setDescription] = useState(video.description);
  const before: Publication = { visibility: video.visibility, publishAt: video.publish_at };
  const [publication, setPublication] = useState(before);
  const [offered, setOffered] = useState(video.downloads === 'anyone');
  const [timeError, setTimeError] = useState<string | null>(null);
  const save = useMutation({
    mutationFn: async () => {
      let saved = await editVideo(video.id, title.trim(), description.trim());
      const downloads = offered ? 'anyone' : 'nobody';
      if (downloads !== video.downloads) saved = await changeDownloads(video.id, downloads);
      const same =
        publication.visibility === before.visibility && publication.publishAt === before.publishAt;
      return same ? saved : changeVisibility(video.id, publication);
    },
    onSuccess: (saved) => {
      client.setQueryData(queries.video(video.id).queryKey, saved);
      void client.invalidateQueries({ queryKey: ['videos'] });
      onClose();
    },
  });
  const untitled = title.trim() === '';
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const changed = publication.publishAt !== before.publishAt;
    const problem = changed ? publishAtProblem(publication, Date.now()) : null;
    setTimeError(problem);
    if (!untitled && problem === null) save.mutate();
  };
  return (
    <form onSubmit={submit} noValidate className="mt-5 space-y-4">
      <TextField
        label="Title"
        value={title}
        maxLength={MAX_TITLE}
        error={untitled ? 'A video needs a title.' : null}
        onChange={(event) => setTitle(event.target.value)}
      />
      <TextArea
        label="Description"
        hint={`${description.length} / ${MAX_DESCRIPTION}. Lines such as “0:00 Intro” and “1:30 Up the hill” become chapters.`}
        rows={6}
        maxLength={MAX_DESCRIPTION}
        value={description}
        onChange={(event) => setDescription(event.target.value)}
      />
      <PublicationChoice
        value={publication}
        error={timeError}
        onChange={(next) => {
          setTimeError(null);
          setPublication(next);
        }}
      />
      <label className="flex min-h-11 cursor-pointer items-center gap-3">
        <input
          type="checkbox"
          checked={offered}
          onChange={(event) => setOffered(event.target.checked)}
          className="h-5 w-5 accent-accent"
        />
        Whoever can see it may download it
      </label>
      <InlineError error={save.error} />
      <div className="flex justify-end gap-3 pt-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" variant="primary" busy={save.isPending}>
          Save
        </Button>
      </div>
    </form>
  );
}
