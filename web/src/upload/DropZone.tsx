import { FilePlus2 } from 'lucide-react';
import { type DragEvent, useRef, useState } from 'react';

import { Button } from '../ui/Button';
import { cx } from '../ui/cx';
import { ACCEPT } from './files';

interface DropZoneProps {
  onFiles: (files: File[]) => void;
  /** A slimmer one, for below the files already chosen. */
  compact?: boolean;
}

export function DropZone({ onFiles, compact = false }: DropZoneProps) {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);

  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    onFiles(Array.from(event.dataTransfer.files));
  };

  return (
    // Dropping is a shortcut for the pointer; the button inside does the same for everyone.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      role="group"
      aria-label="Choose video files"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
      className={cx(
        'flex flex-col items-center justify-center rounded-2xl border-2 border-dashed text-center transition-colors',
        over ? 'border-accent bg-accent/12' : 'border-edge/60 bg-surface/50',
        compact ? 'gap-3 px-4 py-6' : 'gap-5 px-6 py-16 md:py-24',
      )}
    >
      {!compact && (
        <>
          <FilePlus2 className="h-10 w-10 text-edge" strokeWidth={1.5} aria-hidden="true" />
          <div>
            <p className="text-2xl font-bold tracking-tight">
              <span className="hidden pointer-fine:inline">Drop a video here</span>
              <span className="pointer-fine:hidden">Pick a video</span>
            </p>
            <p className="mt-1 text-muted">MP4, MOV, MKV, WebM, AVI and most others</p>
          </div>
        </>
      )}
      <Button variant={compact ? 'secondary' : 'primary'} onClick={() => input.current?.click()}>
        {compact ? 'Add another video' : 'Choose a file'}
      </Button>
      <input
        ref={input}
        type="file"
        accept={ACCEPT}
        multiple
        className="hidden"
        aria-label="Video files"
        onChange={(event) => {
          onFiles(Array.from(event.target.files ?? []));
          // So that choosing the same file again is a change too.
          event.target.value = '';
        }}
      />
    </div>
  );
}
