import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { useNavigate } from 'react-router';

import { useIntent } from '../api/intent';
import type { Visibility } from '../api/models';
import { queries } from '../api/queries';
import { useMe } from '../auth/AuthProvider';
import { Button } from '../ui/Button';
import { TextField } from '../ui/Field';
import { InlineError } from '../ui/states';
import { VisibilityChoice } from '../videos/VisibilityChoice';
import { keepSecrets } from './keys';
import { createStream, liveVisibility } from './liveStreams';

/** Asks for a title and for whom the live is, and goes to the page of the new stream. */
export function CreateStream() {
  const me = useMe();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [title, setTitle] = useState('');
  const [chosen, setChosen] = useState<Visibility | null>(null);
  const visibility = liveVisibility(chosen ?? me?.default_visibility ?? 'public');
  const intent = useIntent();
  const create = useMutation({
    mutationFn: (key: string) => createStream(title.trim(), visibility, key),
    onSettled: (_, error) => intent.settled(error),
    onSuccess: async (stream) => {
      keepSecrets(stream);
      client.setQueryData(queries.liveStream(stream.id).queryKey, stream);
      void client.invalidateQueries({ queryKey: queries.liveStreams().queryKey });
      await navigate(`/live/${stream.id}`);
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    create.mutate(intent.keyFor(`${visibility} ${title.trim()}`));
  };
  return (
    <form onSubmit={submit} noValidate className="max-w-xl space-y-5">
      <TextField
        label="Title"
        value={title}
        maxLength={200}
        onChange={(event) => setTitle(event.target.value)}
      />
      <VisibilityChoice value={visibility} drafts={false} onChange={setChosen} />
      <InlineError error={create.error} />
      <Button
        type="submit"
        variant="primary"
        busy={create.isPending}
        disabled={title.trim() === ''}
      >
        Create stream
      </Button>
    </form>
  );
}
