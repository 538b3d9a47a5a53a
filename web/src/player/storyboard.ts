/** One tile of a storyboard: when it is shown, and where it lies in which image. */
export interface StoryboardTile {
  startSeconds: number;
  endSeconds: number;
  imageUrl: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

const TIMING = /^(?:(\d+):)?(\d{2}):(\d{2})\.(\d{3})\s+-->\s+(?:(\d+):)?(\d{2}):(\d{2})\.(\d{3})/;
const TARGET = /^(.+)#xywh=(?:pixel:)?(\d+),(\d+),(\d+),(\d+)$/;

/** Reads thumbnails in WebVTT: each cue's text is an image and a media fragment (`#xywh=`). */
export function parseStoryboard(text: string, baseUrl: string): StoryboardTile[] {
  const tiles: StoryboardTile[] = [];
  let timing: RegExpExecArray | null = null;
  for (const line of text.split(/\r?\n/)) {
    timing = TIMING.exec(line) ?? timing;
    const target = timing && TARGET.exec(line.trim());
    if (!timing || !target) continue;
    tiles.push({
      startSeconds: secondsOf(timing, 1),
      endSeconds: secondsOf(timing, 5),
      imageUrl: new URL(target[1] ?? '', baseUrl).href,
      x: Number(target[2]),
      y: Number(target[3]),
      width: Number(target[4]),
      height: Number(target[5]),
    });
    timing = null;
  }
  return tiles;
}

/** The tile for a moment; the last one before it if the moment lies in no tile. */
export function tileAt(tiles: readonly StoryboardTile[], seconds: number): StoryboardTile | null {
  return tiles.findLast((tile) => tile.startSeconds <= seconds) ?? tiles[0] ?? null;
}

function secondsOf(match: RegExpExecArray, first: number): number {
  const part = (offset: number) => Number(match[first + offset] ?? 0);
  return part(0) * 3600 + part(1) * 60 + part(2) + part(3) / 1000;
}
