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
}

/** Names as people know them ("1080p", "720p60"), best first. The short side counts, so that
 * a portrait film of 720 × 1280 is 720p too. */
export function qualitiesOf(levels: readonly LevelFacts[]): Quality[] {
  return levels
    .map((facts, level) => ({ level, label: qualityLabel(facts), ...facts }))
    .sort((a, b) => b.width * b.height - a.width * a.height)
    .map(({ level, label }) => ({ level, label }));
}

export function qualityLabel({ width, height, frameRate }: LevelFacts): string {
  const lines = Math.min(width, height);
  if (lines === 0) return 'Audio';
  return `${lines}p${frameRate > 32 ? Math.round(frameRate) : ''}`;
}
