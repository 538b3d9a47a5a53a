import { useId } from 'react';

import type { Visibility } from '../api/models';

const CHOICES: readonly [Visibility, string, string][] = [
  ['public', 'Public', 'Everyone can find it'],
  ['unlisted', 'Unlisted', 'Everyone with the link'],
  ['private', 'Private', 'Only you'],
];

interface VisibilityChoiceProps {
  value: Visibility;
  onChange: (visibility: Visibility) => void;
}

export function VisibilityChoice({ value, onChange }: VisibilityChoiceProps) {
  const name = useId();
  return (
    <fieldset>
      <legend className="mb-1.5 text-sm font-semibold">Who can see it</legend>
      <div className="divide-y divide-line rounded-lg border border-edge">
        {CHOICES.map(([choice, label, meaning]) => (
          <label key={choice} className="flex min-h-11 cursor-pointer items-center gap-3 px-3">
            <input
              type="radio"
              name={name}
              className="h-4 w-4 accent-(--link)"
              checked={value === choice}
              onChange={() => onChange(choice)}
            />
            <span className="font-medium">{label}</span>
            <span className="ml-auto text-sm text-muted">{meaning}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
