import { useState } from 'react';

import type { Video } from '../api/models';
import { clockFromText, formatClock, spokenDuration } from '../format/duration';
import { cx } from '../ui/cx';
import { LogoMark } from '../ui/Logo';
import { isReady, statusLabel } from './status';

interface ThumbnailProps {
  video: Video;
  className?: string;
  eager?: boolean;
  /** Show the moving preview over the poster. */
  playing?: boolean;
}

/** The poster with its duration, or a quiet placeholder while there is none. */
export function Thumbnail({ video, className, eager = false, playing = false }: ThumbnailProps) {
  const [brokenUrl, setBrokenUrl] = useState<string | null>(null);
  const shown = video.thumbnail !== '' && video.thumbnail !== brokenUrl;
  return (
    <div className={cx('relative aspect-video overflow-hidden rounded-frame bg-sunken', className)}>
      {shown ? (
        <img
          src={video.thumbnail}
          alt=""
          loading={eager ? 'eager' : 'lazy'}
          decoding="async"
          onError={() => setBrokenUrl(video.thumbnail)}
          className="h-full w-full object-cover transition-transform duration-300 group-hover:scale-[1.02]"
        />
      ) : (
        <div className="flex h-full items-center justify-center text-edge/60">
          <LogoMark className="ml-1 h-10 w-10" />
        </div>
      )}
      {playing && video.preview && (
        <img src={video.preview} alt="" className="absolute inset-0 h-full w-full object-cover" />
      )}
      <Badge video={video} />
    </div>
  );
}

function Badge({ video }: { video: Video }) {
  const place = 'absolute right-2 bottom-2 rounded-[5px] px-1.5 py-0.5 text-xs font-medium';
  if (!isReady(video)) {
    return <span className={`${place} bg-accent text-on-accent`}>{statusLabel(video)}</span>;
  }
  if (video.live) {
    return <span className={`${place} bg-live font-bold text-white`}>LIVE</span>;
  }
  const ms = video.duration_ms;
  const clock = ms == null ? clockFromText(video.duration) : formatClock(ms);
  if (clock === '') return null;
  return (
    <span className={`timecode ${place} bg-black/80 text-white`}>
      <span aria-hidden="true">{clock}</span>
      <span className="sr-only">{ms == null ? clock : spokenDuration(ms)}</span>
    </span>
  );
}
