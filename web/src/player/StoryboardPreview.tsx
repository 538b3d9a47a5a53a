import type { StoryboardTile } from './storyboard';

interface StoryboardPreviewProps {
  tile: StoryboardTile | null;
  clock: string;
  /** Of the chapter; "" without one. */
  title: string;
  /** Where along the bar, 0–1. */
  share: number;
}

const WIDTH = 176;

/** The frame under the pointer, above the seek bar. */
export function StoryboardPreview({ tile, clock, title, share }: StoryboardPreviewProps) {
  const scale = tile ? WIDTH / tile.width : 1;
  return (
    <div
      aria-hidden="true"
      className="pointer-events-none absolute bottom-7 z-10 -translate-x-1/2"
      style={{
        left: tile
          ? `clamp(${WIDTH / 2 + 4}px, ${share * 100}%, calc(100% - ${WIDTH / 2 + 4}px))`
          : `clamp(2rem, ${share * 100}%, calc(100% - 2rem))`,
      }}
    >
      {tile && (
        <div
          className="overflow-hidden rounded-md border border-white/70 bg-black"
          style={{ width: WIDTH, height: tile.height * scale }}
        >
          <img
            src={tile.imageUrl}
            alt=""
            className="max-w-none origin-top-left"
            style={{
              transform: `scale(${scale}) translate(${-tile.x}px, ${-tile.y}px)`,
            }}
          />
        </div>
      )}
      {title && (
        <p
          dir="auto"
          className="mx-auto mt-1 line-clamp-2 w-fit max-w-44 rounded bg-black/85 px-1.5 py-0.5 text-center text-xs"
        >
          {title}
        </p>
      )}
      <p className="mx-auto mt-1 w-fit rounded bg-black/85 px-1.5 py-0.5 timecode text-xs">
        {clock}
      </p>
    </div>
  );
}
