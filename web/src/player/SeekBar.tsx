import { type CSSProperties, type PointerEvent, useState } from 'react';

import type { Chapter } from '../api/models';
import { formatClock, spokenDuration } from '../format/duration';
import { chapterAt } from './chapters';
import { tileAt } from './storyboard';
import { StoryboardPreview } from './StoryboardPreview';
import { useStoryboard } from './useStoryboard';

interface SeekBarProps {
  currentTime: number;
  /** Both ends of what can be sought, in seconds. */
  from: number;
  until: number;
  bufferedUntil: number;
  storyboardUrl: string | null;
  chapters: readonly Chapter[];
  onSeek: (seconds: number) => void;
}

const KEY_STEP_SECONDS = 5;

/** A range input, so that keyboard and screen reader work by themselves; the pointer sees frames. */
export function SeekBar({
  currentTime,
  from,
  until,
  bufferedUntil,
  storyboardUrl,
  chapters,
  onSeek,
}: SeekBarProps) {
  const [hover, setHover] = useState<{ seconds: number; share: number } | null>(null);
  const tiles = useStoryboard(storyboardUrl);
  const length = Math.max(0, until - from);
  const chapter = chapterAt(chapters, currentTime);
  const percent = (seconds: number) => `${length > 0 ? ((seconds - from) / length) * 100 : 0}%`;

  const onPointerMove = (event: PointerEvent<HTMLInputElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    setHover({ seconds: from + share * length, share });
  };

  return (
    <div className="relative px-2">
      {hover && length > 0 && (
        <StoryboardPreview
          tile={tileAt(tiles, hover.seconds)}
          title={chapterAt(chapters, hover.seconds)?.title ?? ''}
          clock={formatClock((hover.seconds - from) * 1000)}
          share={hover.share}
        />
      )}
      <div className="relative">
        <input
          type="range"
          aria-label="Seek"
          aria-valuetext={[
            `${spokenDuration((currentTime - from) * 1000)} of ${spokenDuration(length * 1000)}`,
            ...(chapter ? [chapter.title] : []),
          ].join(', ')}
          min={from}
          max={from + (length || 1)}
          step="any"
          value={Math.min(Math.max(currentTime, from), from + (length || 1))}
          onChange={(event) => onSeek(Number(event.target.value))}
          onKeyDown={(event) => {
            const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[
              event.key
            ];
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
        <ChapterGaps starts={chapters.slice(1).map(({ start_ms }) => percent(start_ms / 1000))} />
      </div>
    </div>
  );
}

/** Where a chapter ends and the next one begins. */
function ChapterGaps({ starts }: { starts: readonly string[] }) {
  return starts.map((left) => (
    <span
      key={left}
      aria-hidden="true"
      className="pointer-events-none absolute top-1/2 h-1.5 w-[3px] -translate-x-1/2 -translate-y-1/2 bg-black"
      style={{ left }}
    />
  ));
}
