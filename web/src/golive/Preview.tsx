import { useEffect, useRef } from 'react';

import { cx } from '../ui/cx';

interface PreviewProps {
  media: MediaStream | null;
  /** As in a mirror, which people expect of themselves; viewers see it the right way round. */
  mirrored: boolean;
  cameraOff: boolean;
}

/** What viewers will see, without its sound. */
export function Preview({ media, mirrored, cameraOff }: PreviewProps) {
  const ref = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (ref.current) ref.current.srcObject = media;
  }, [media]);
  return (
    <div className="relative aspect-video overflow-hidden rounded-frame bg-[#0a0e0c] text-white">
      <video
        ref={ref}
        aria-label="Preview"
        autoPlay
        muted
        playsInline
        className={cx(
          'h-full w-full object-contain',
          mirrored && '-scale-x-100',
          !media && 'hidden',
        )}
      />
      {(!media || cameraOff) && (
        <p className="absolute inset-0 grid place-items-center p-6 text-center text-white/85">
          {media ? 'Viewers see black: your picture is off.' : 'Your picture will be here.'}
        </p>
      )}
    </div>
  );
}
