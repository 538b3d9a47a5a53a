import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Plus, X } from 'lucide-react';
import { type SyntheticEvent, useState } from 'react';
import { Link } from 'react-router';

import type { Video } from '../api/models';
import { queries } from '../api/queries';
import { addTags as sendTags, removeTag } from '../api/videos';
import { IconButton } from '../ui/Button';
import { InlineError } from '../ui/states';
import { addTags, MAX_TAG_LENGTH } from '../ui/tags';

/** The video's tags; its owner can add and remove them in place. */
export function TagList({ video, editable }: { video: Video; editable: boolean }) {
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: (task: () => Promise<void>) => task(),
    onSettled: async () => {
      await client.invalidateQueries({ queryKey: queries.video(video.id).queryKey });
      void client.invalidateQueries({ queryKey: queries.tags().queryKey });
    },
  });
  const names = video.tags.map((tag) => tag.name);
  if (names.length === 0 && !editable) return null;
  return (
    <div className="mt-5 space-y-2">
      <ul aria-label="Tags" className="flex flex-wrap items-center gap-2">
        {names.map((name) => (
          <li key={name} className="flex items-center rounded-lg bg-sunken text-sm font-medium">
            <Link
              to={`/tags/${encodeURIComponent(name)}`}
              className="flex min-h-9 items-center rounded-lg px-3 hover:underline pointer-coarse:min-h-11"
            >
              #{name}
            </Link>
            {editable && (
              <IconButton
                label={`Remove tag ${name}`}
                className="h-9 w-9"
                disabled={change.isPending}
                onClick={() => change.mutate(() => removeTag(video.id, name))}
              >
                <X className="h-3.5 w-3.5" aria-hidden="true" />
              </IconButton>
            )}
          </li>
        ))}
        {editable && (
          <li>
            <AddTag
              disabled={change.isPending}
              onAdd={(text) => {
                const added = addTags([], text);
                if (added.length > 0) change.mutate(() => sendTags(video.id, added));
              }}
            />
          </li>
        )}
      </ul>
      <InlineError error={change.error} />
    </div>
  );
}

function AddTag({ disabled, onAdd }: { disabled: boolean; onAdd: (text: string) => void }) {
  const [text, setText] = useState('');
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    onAdd(text);
    setText('');
  };
  return (
    <form onSubmit={submit} className="flex items-center">
      <input
        aria-label="Add a tag"
        placeholder="Add a tag"
        value={text}
        maxLength={MAX_TAG_LENGTH}
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
        className="h-9 w-32 rounded-lg border border-dashed border-edge bg-transparent px-3 text-sm placeholder:text-muted pointer-coarse:h-11"
      />
      <IconButton
        type="submit"
        label="Add tag"
        className="h-9 w-9"
        disabled={disabled || text.trim() === ''}
      >
        <Plus className="h-4 w-4" aria-hidden="true" />
      </IconButton>
    </form>
  );
}
