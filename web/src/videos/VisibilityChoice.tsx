import { useId } from 'react';

import type { Visibility } from '../api/models';
import { TextField } from '../ui/Field';
import { fromLocalInput, type Publication, toLocalInput } from './publication';

const CHOICES: readonly [Visibility, string, string][] = [
  ['public', 'Public', 'Everyone can find it'],
  ['unlisted', 'Unlisted', 'Everyone with the link'],
  ['private', 'Private', 'Only you'],
  ['draft', 'Draft', 'Only you, until it is published'],
];

interface VisibilityChoiceProps {
  /** Null: nothing is chosen yet. */
  value: Visibility | null;
  legend?: string;
  /** A live cannot be a draft: it is there as soon as it begins. */
  drafts?: boolean;
  onChange: (visibility: Visibility) => void;
}

export function VisibilityChoice({
  value,
  legend = 'Who can see it',
  drafts = true,
  onChange,
}: VisibilityChoiceProps) {
  const name = useId();
  return (
    <fieldset>
      <legend className="mb-1.5 text-sm font-semibold">{legend}</legend>
      <div className="divide-y divide-line rounded-lg border border-edge">
        {CHOICES.filter(([choice]) => drafts || choice !== 'draft').map(
          ([choice, label, meaning]) => (
            <label key={choice} className="flex min-h-11 cursor-pointer items-center gap-3 px-3">
              <input
                type="radio"
                name={name}
                className="h-4 w-4 accent-(--link)"
                checked={value === choice}
                onChange={() => onChange(choice)}
              />
              <span className="font-medium">{label}</span>
              <span className="ml-auto text-right text-sm text-muted">{meaning}</span>
            </label>
          ),
        )}
      </div>
    </fieldset>
  );
}

interface PublicationChoiceProps {
  value: Publication;
  error: string | null;
  onChange: (publication: Publication) => void;
}

/** Who can see a video and, for a draft, when it becomes public. */
export function PublicationChoice({ value, error, onChange }: PublicationChoiceProps) {
  return (
    <div className="space-y-4">
      <VisibilityChoice
        value={value.visibility}
        onChange={(visibility) =>
          onChange({ visibility, publishAt: visibility === 'draft' ? value.publishAt : null })
        }
      />
      {value.visibility === 'draft' && (
        <TextField
          label="Publish at"
          hint="Empty: when you make it public"
          type="datetime-local"
          value={toLocalInput(value.publishAt)}
          error={error}
          onChange={(event) =>
            onChange({ ...value, publishAt: fromLocalInput(event.target.value) })
          }
        />
      )}
    </div>
  );
}
