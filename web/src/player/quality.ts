/** A rendition that can be chosen; `level` is the player's own number for it, -1 lets it choose. */
export interface Quality {
  level: number;
  label: string;
}

export const AUTO_LEVEL = -1;

interface LevelFacts {
  width: number;
  height: number;
  frameRate: number;
  /** SDR where a playlist names none. */
  videoRange?: string;
}

/** Names as people know them ("1080p", "720p60", "720p HDR"), best first. */
export function qualitiesOf(levels: readonly LevelFacts[]): Quality[] {
  return levels
    .map((facts, level) => ({ level, label: qualityLabel(facts), ...facts }))
    .sort((a, b) => b.width * b.height - a.width * a.height)
    .map(({ level, label }) => ({ level, label }));
}

export function qualityLabel({ width, height, frameRate, videoRange }: LevelFacts): string {
  // Of the 16:9 frame that would hold the picture, whichever way it is turned: 640 × 272 is 360p.
  const lines = Math.max(Math.min(width, height), Math.round((Math.max(width, height) * 9) / 16));
  if (lines === 0) return 'Audio';
  const hdr = videoRange === 'PQ' || videoRange === 'HLG' ? ' HDR' : '';
  return `${lines}p${frameRate > 32 ? Math.round(frameRate) : ''}${hdr}`;
}
