import type { Chapter } from '../api/models';

/** The chapter of a moment, in seconds; null where there are none. */
export function chapterAt(chapters: readonly Chapter[], seconds: number): Chapter | null {
  return chapters.findLast((chapter) => chapter.start_ms <= seconds * 1000) ?? null;
}
