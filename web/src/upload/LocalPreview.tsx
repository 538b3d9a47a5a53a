import { useEffect, useRef } from 'react';

/** A frame of the file that was picked, straight from the disk. */
export function LocalPreview({ file }: { file: File }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current;
    if (!element) return;
    const url = URL.createObjectURL(file);
    // A moment in, since many films begin in black.
    element.src = `${url}#t=1`;
    return () => {
      element.removeAttribute('src');
      element.load();
      URL.revokeObjectURL(url);
    };
  }, [file]);
  return (
    <div className="aspect-video overflow-hidden rounded-frame bg-black">
      <video
        ref={video}
        muted
        playsInline
        preload="metadata"
        aria-hidden="true"
        tabIndex={-1}
        className="h-full w-full object-contain"
      />
    </div>
  );
}
