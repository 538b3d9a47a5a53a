import { ExternalLink } from 'lucide-react';

import type { Video } from '../api/models';
import { Stage } from '../watch/Stage';
import type { Opening } from '../player/Player';
import { startQuery } from '../player/startTime';
import { useVideo } from './useVideo';

/** Only the player, in a frame of another page. */
export function EmbedPage({ videoId, options }: { videoId: string; options: Opening }) {
  const { video, problem } = useVideo(videoId);
  return (
    <main className="flex h-dvh items-center justify-center bg-black text-white">
      <h1 className="sr-only">{video?.title ?? 'A video on Cinelog'}</h1>
      {video?.video ? (
        <Playing video={video} options={options} />
      ) : (
        <p role="status" className="p-6 text-center font-semibold text-balance">
          {problem ?? (video ? preparing(video) : <span className="sr-only">Loading</span>)}
        </p>
      )}
    </main>
  );
}

function Playing({ video, options }: { video: Video; options: Opening }) {
  return (
    <div className="relative h-full w-full">
      <Stage video={video} opening={options} fill />
      <a
        href={`/watch/${video.id}${startQuery(options.start)}`}
        target="_blank"
        rel="noopener"
        className="player-title absolute top-2 left-2 flex min-h-11 max-w-[calc(100%-1rem)] items-center gap-2 rounded-lg bg-black/70 px-3 font-semibold text-white transition-opacity"
      >
        <span dir="auto" className="truncate">
          {video.title}
        </span>
        <ExternalLink className="h-4 w-4 shrink-0" aria-hidden="true" />
        <span className="sr-only">on Cinelog, in a new tab</span>
      </a>
    </div>
  );
}

function preparing(video: Video): string {
  return video.status === 'failed'
    ? 'This video could not be processed.'
    : 'This video is being prepared. It will start here by itself.';
}
