import { type CSSProperties, type PointerEvent, useState } from 'react';

import { formatClock, spokenDuration } from '../format/duration';
import { tileAt } from './storyboard';
import { StoryboardPreview } from './StoryboardPreview';
import { useStoryboard } from './useStoryboard';

interface SeekBarProps {
  currentTime: number;
  duration: number;
  bufferedUntil: number;
  storyboardUrl: string | null;
  onSeek: (seconds: number) => void;
}

const KEY_STEP_SECONDS = 5;

/** A range input, so that keyboard and screen reader work by themselves; the pointer sees frames. */
export function SeekBar({
  currentTime,
  duration,
  bufferedUntil,
  storyboardUrl,
  onSeek,
}: SeekBarProps) {
  const [hover, setHover] = useState<{ seconds: number; share: number } | null>(null);
  const tiles = useStoryboard(storyboardUrl);
  const percent = (seconds: number) => `${duration > 0 ? (seconds / duration) * 100 : 0}%`;

  const onPointerMove = (event: PointerEvent<HTMLInputElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    setHover({ seconds: share * duration, share });
  };

  return (
    <div className="relative px-2">
      {hover && duration > 0 && (
        <StoryboardPreview
          tile={tileAt(tiles, hover.seconds)}
          clock={formatClock(hover.seconds * 1000)}
          share={hover.share}
        />
      )}
      <input
        type="range"
        aria-label="Seek"
        aria-valuetext={`${spokenDuration(currentTime * 1000)} of ${spokenDuration(duration * 1000)}`}
        min={0}
        max={duration || 1}
        step="any"
        value={Math.min(currentTime, duration || 1)}
        onChange={(event) => onSeek(Number(event.target.value))}
        onKeyDown={(event) => {
          const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
          if (direction === undefined) return;
          event.preventDefault();
          onSeek(currentTime + direction * KEY_STEP_SECONDS);
        }}
        onPointerMove={onPointerMove}
        onPointerLeave={() => setHover(null)}
        className="player-range block"
        style={
          {
            '--filled': percent(currentTime),
            '--buffered': percent(bufferedUntil),
          } as CSSProperties
        }
      />
    </div>
  );
}
