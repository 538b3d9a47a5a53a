import { type SyntheticEvent, useState } from 'react';

import { Button } from '../ui/Button';
import { TextArea, TextField } from '../ui/Field';
import { TagInput } from '../ui/TagInput';
import { MAX_DESCRIPTION, MAX_TITLE } from '../videos/limits';
import type { UploadDetails, UploadItem } from './machine';

interface DraftFormProps {
  item: UploadItem;
  onEdit: (details: UploadDetails) => void;
  onSubmit: () => void;
  onRemove: () => void;
}

export function DraftForm({ item: { details }, onEdit, onSubmit, onRemove }: DraftFormProps) {
  const [titleError, setTitleError] = useState<string | null>(null);
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const title = details.title.trim();
    if (title === '') {
      setTitleError('A video needs a title.');
      return;
    }
    onEdit({ ...details, title });
    onSubmit();
  };
  return (
    <form onSubmit={submit} noValidate className="space-y-4">
      <TextField
        label="Title"
        value={details.title}
        maxLength={MAX_TITLE}
        error={titleError}
        onChange={(event) => {
          setTitleError(null);
          onEdit({ ...details, title: event.target.value });
        }}
      />
      <TextArea
        label="Description"
        hint={`${details.description.length} / ${MAX_DESCRIPTION}`}
        rows={3}
        maxLength={MAX_DESCRIPTION}
        value={details.description}
        onChange={(event) => onEdit({ ...details, description: event.target.value })}
      />
      <TagInput
        label="Tags"
        tags={details.tags}
        onChange={(tags) => onEdit({ ...details, tags })}
      />
      <div className="flex justify-end gap-3 pt-1">
        <Button variant="ghost" onClick={onRemove}>
          Remove
        </Button>
        <Button type="submit" variant="primary">
          Upload
        </Button>
      </div>
    </form>
  );
}
