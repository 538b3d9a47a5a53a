import { Copy } from 'lucide-react';
import { useId } from 'react';

import { Button } from './Button';
import { useNotify } from './notifications';

interface CopyFieldProps {
  label: string;
  value: string;
  /** Shows dots; the clipboard gets the value. */
  secret?: boolean;
}

/** A value to paste into another program. */
export function CopyField({ label, value, secret = false }: CopyFieldProps) {
  const id = useId();
  const notify = useNotify();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      notify(`${label} copied.`);
    } catch {
      notify('The browser did not allow copying.');
    }
  };
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 block text-sm font-semibold">
        {label}
      </label>
      <div className="flex gap-2">
        <input
          id={id}
          readOnly
          type={secret ? 'password' : 'text'}
          autoComplete="off"
          value={value}
          onFocus={(event) => event.target.select()}
          className="h-11 min-w-0 flex-1 rounded-lg border border-edge bg-sunken px-3 timecode text-sm"
        />
        <Button aria-label={`Copy ${label}`} onClick={() => void copy()}>
          <Copy className="h-4 w-4" aria-hidden="true" />
          Copy
        </Button>
      </div>
    </div>
  );
}
