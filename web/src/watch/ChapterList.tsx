import { useSyncExternalStore } from 'react';

import type { Video } from '../api/models';
import { formatClock } from '../format/duration';
import { chapterAt } from '../player/chapters';
import { playerPosition } from '../player/position';
import { MomentLink } from './MomentLink';

/** The chapters of a film; the one that plays is marked. */
export function ChapterList({ video }: { video: Video }) {
  const seconds = useSyncExternalStore(playerPosition.subscribe, playerPosition.get);
  const present = chapterAt(video.chapters, seconds);
  if (video.chapters.length === 0) return null;
  return (
    <section aria-labelledby="chapters" className="mt-6 max-w-prose">
      <h2 id="chapters" className="mb-1 text-lg font-bold">
        Chapters
      </h2>
      <ol className="-mx-2 max-h-80 overflow-y-auto">
        {video.chapters.map((chapter) => (
          <li key={chapter.start_ms}>
            <MomentLink
              videoId={video.id}
              seconds={chapter.start_ms / 1000}
              aria-current={chapter === present ? 'true' : undefined}
              className="flex min-h-11 items-baseline gap-3 rounded-lg px-2 py-2.5 hover:bg-sunken aria-[current]:bg-sunken aria-[current]:font-semibold"
            >
              <span className="w-16 shrink-0 text-end timecode text-sm text-muted">
                {formatClock(chapter.start_ms)}
              </span>
              <span dir="auto" className="min-w-0">
                {chapter.title}
              </span>
            </MomentLink>
          </li>
        ))}
      </ol>
    </section>
  );
}
