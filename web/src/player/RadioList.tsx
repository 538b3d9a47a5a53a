import { Check } from 'lucide-react';
import { useId } from 'react';

interface RadioListProps {
  label: string;
  value: number;
  options: readonly { value: number; label: string }[];
  onChange: (value: number) => void;
}

/** Real radio buttons: arrow keys and screen readers know what to do with them. */
export function RadioList({ label, value, options, onChange }: RadioListProps) {
  const name = useId();
  return (
    <fieldset className="min-w-28">
      <legend className="px-2.5 pt-1 pb-1.5 text-xs font-semibold text-white/70">{label}</legend>
      {options.map((option) => (
        <label
          key={option.value}
          className="flex min-h-9 cursor-pointer items-center gap-2 rounded-md px-2.5 text-sm whitespace-nowrap hover:bg-white/12 has-focus-visible:outline-2 has-focus-visible:outline-(--focus) pointer-coarse:min-h-11"
        >
          <input
            type="radio"
            name={name}
            className="sr-only"
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          <Check
            className={`h-4 w-4 shrink-0 text-accent ${option.value === value ? '' : 'invisible'}`}
            aria-hidden="true"
          />
          {option.label}
        </label>
      ))}
    </fieldset>
  );
}
