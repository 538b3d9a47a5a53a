import { type SyntheticEvent, useState } from 'react';

import { useMe } from '../auth/AuthProvider';
import { Button } from '../ui/Button';
import { TextArea, TextField } from '../ui/Field';
import { TagInput } from '../ui/TagInput';
import { MAX_DESCRIPTION, MAX_TITLE } from '../videos/limits';
import { PublicationChoice } from '../videos/VisibilityChoice';
import { detailsProblems, isComplete } from './details';
import { HdrChoice } from './HdrChoice';
import type { UploadDetails, UploadItem } from './machine';

interface DraftFormProps {
  item: UploadItem;
  onEdit: (details: UploadDetails) => void;
  onSubmit: () => void;
  onRemove: () => void;
}

export function DraftForm({ item: { details, file }, onEdit, onSubmit, onRemove }: DraftFormProps) {
  const usual = useMe()?.default_visibility ?? 'public';
  const publication = {
    visibility: details.visibility ?? usual,
    publishAt: details.publishAt,
  };
  const [titleError, setTitleError] = useState<string | null>(null);
  const [timeError, setTimeError] = useState<string | null>(null);
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const problems = detailsProblems(details, usual, Date.now());
    setTitleError(problems.title);
    setTimeError(problems.time);
    if (isComplete(problems)) onSubmit();
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
      <PublicationChoice
        value={publication}
        error={timeError}
        onChange={(next) => {
          setTimeError(null);
          onEdit({ ...details, ...next });
        }}
      />
      <HdrChoice
        file={file}
        keep={details.keepHdr}
        onChange={(keepHdr) => onEdit({ ...details, keepHdr })}
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
