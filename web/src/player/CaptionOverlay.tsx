import type { RefObject } from 'react';

import type { Captions } from '../api/models';
import { cx } from '../ui/cx';
import type { CaptionChoice } from './captionChoice';
import { type Run, runsOf } from './cues';
import { useCues, useShownCues } from './useCues';

const SIZE_CLASSES = ['text-[3.5cqmin]', 'text-[5cqmin]', 'text-[7cqmin]'] as const;

interface CaptionOverlayProps {
  video: RefObject<HTMLVideoElement | null>;
  track: Captions;
  choice: CaptionChoice;
  /** Above the controls, while those are there. */
  raised: boolean;
}

/** The captions over the picture. */
export function CaptionOverlay({ video, track, choice, raised }: CaptionOverlayProps) {
  const shown = useShownCues(video, useCues(track.url));
  return (
    <div
      lang={track.language}
      data-captions
      className={cx(
        'pointer-events-none absolute inset-x-0 flex flex-col items-center gap-1 px-4 text-center leading-snug transition-[bottom] duration-200',
        raised ? 'bottom-24' : 'bottom-[5cqh]',
        SIZE_CLASSES[choice.size] ?? SIZE_CLASSES[1],
      )}
    >
      {shown.map((cue) => (
        <p
          key={`${cue.start} ${cue.text}`}
          dir="auto"
          className={cx(
            'max-w-full rounded px-2 whitespace-pre-line [unicode-bidi:plaintext]',
            choice.ground
              ? 'bg-black/80'
              : 'font-semibold [text-shadow:0_0_3px_#000,0_0_3px_#000,0_0_6px_#000]',
          )}
        >
          {runsOf(cue.text).map((run, index) => (
            <StyledRun key={index} run={run} />
          ))}
        </p>
      ))}
    </div>
  );
}

function StyledRun({ run: { text, tags } }: { run: Run }) {
  const style = cx(
    tags.includes('b') && 'font-bold',
    tags.includes('i') && 'italic',
    tags.includes('u') && 'underline',
    tags.includes('rt') && 'text-[0.6em]',
  );
  return style ? <span className={style}>{text}</span> : text;
}
