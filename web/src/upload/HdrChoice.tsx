import { useEffect, useId, useState } from 'react';

import { looksLikeHdr } from './hdr';

interface HdrChoiceProps {
  file: File;
  keep: boolean;
  onChange: (keep: boolean) => void;
}

/** Whether HDR is kept, asked of files that say that they have it. */
export function HdrChoice({ file, keep, onChange }: HdrChoiceProps) {
  const hint = useId();
  const [bright, setBright] = useState(false);
  useEffect(() => {
    let current = true;
    void looksLikeHdr(file).then((found) => {
      if (current) setBright(found);
    });
    return () => {
      current = false;
    };
  }, [file]);
  if (!bright) return null;
  return (
    <div>
      <label className="flex min-h-11 items-center gap-3">
        <input
          type="checkbox"
          checked={keep}
          aria-describedby={hint}
          onChange={(event) => onChange(event.target.checked)}
          className="h-5 w-5 accent-accent"
        />
        <span className="text-sm font-semibold">Keep HDR</span>
      </label>
      <p id={hint} className="text-sm text-muted">
        Screens with HDR show it as it was filmed, all others as now. It takes longer to make.
      </p>
    </div>
  );
}
