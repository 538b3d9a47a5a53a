import { X } from 'lucide-react';
import { type KeyboardEvent, useId, useState } from 'react';

import { addTags, MAX_TAGS } from './tags';

interface TagInputProps {
  label: string;
  tags: readonly string[];
  onChange: (tags: string[]) => void;
  disabled?: boolean;
}

/** Tags as removable chips; Enter or a comma adds one, Backspace in the empty field takes one back. */
export function TagInput({ label, tags, onChange, disabled = false }: TagInputProps) {
  const [draft, setDraft] = useState('');
  const id = useId();
  const full = tags.length >= MAX_TAGS;

  const commit = (text: string) => {
    setDraft('');
    const next = addTags(tags, text);
    if (next.length !== tags.length) onChange(next);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'Enter' && draft.trim() !== '') {
      event.preventDefault();
      commit(draft);
    } else if (event.key === 'Backspace' && draft === '' && tags.length > 0) {
      onChange(tags.slice(0, -1));
    }
  };

  return (
    <div>
      <div className="mb-1.5 flex items-baseline justify-between gap-3">
        <label htmlFor={id} className="text-sm font-semibold">
          {label}
        </label>
        <span id={`${id}-hint`} className="text-right text-sm text-muted">
          {full ? `${MAX_TAGS} is the most` : 'Enter or comma adds one'}
        </span>
      </div>
      <div className="flex min-h-11 flex-wrap items-center gap-1.5 rounded-lg border border-edge bg-surface p-1.5">
        {tags.map((tag) => (
          <span
            key={tag}
            dir="auto"
            className="flex items-center rounded-md bg-sunken pl-2.5 text-sm"
          >
            {tag}
            <button
              type="button"
              aria-label={`Remove tag ${tag}`}
              disabled={disabled}
              onClick={() => onChange(tags.filter((other) => other !== tag))}
              className="flex h-8 w-8 items-center justify-center rounded-md text-muted hover:text-ink pointer-coarse:h-11 pointer-coarse:w-11"
            >
              <X className="h-3.5 w-3.5" aria-hidden="true" />
            </button>
          </span>
        ))}
        <input
          id={id}
          dir="auto"
          aria-describedby={`${id}-hint`}
          value={draft}
          disabled={disabled || full}
          autoComplete="off"
          enterKeyHint="done"
          onChange={(event) => {
            const text = event.target.value;
            if (text.includes(',')) commit(text);
            else setDraft(text);
          }}
          onKeyDown={onKeyDown}
          onBlur={() => commit(draft)}
          className="h-8 min-w-24 flex-1 bg-transparent px-1.5 text-base outline-none pointer-coarse:h-11"
        />
      </div>
    </div>
  );
}
