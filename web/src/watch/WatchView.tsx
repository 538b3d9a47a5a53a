import { Link, useLocation, useNavigate, useSearchParams } from 'react-router';

import type { Video } from '../api/models';
import { useSession } from '../auth/AuthProvider';
import { formatViews } from '../format/count';
import { Ago } from '../ui/Ago';
import { Avatar } from '../ui/Avatar';
import { ClipButton } from '../live/ClipButton';
import { LiveState } from '../live/LiveState';
import { parseStart } from '../player/startTime';
import { isReady } from '../videos/status';
import { OwnerActions } from '../videos/OwnerActions';
import { TagList } from '../videos/TagList';
import { ChapterList } from './ChapterList';
import { Description } from './Description';
import { EndScreen } from './EndScreen';
import { OwnersNotes } from './OwnersNotes';
import { ProcessingNotice } from './ProcessingNotice';
import { ShareButton } from './ShareButton';
import { Stage } from './Stage';
import { useNext } from './newest';

/** The film and everything known about it. */
interface WatchViewProps {
  video: Video;
  mine: boolean;
  onTheatre: () => void;
}

export function WatchView({ video, mine, onTheatre }: WatchViewProps) {
  const navigate = useNavigate();
  const user = useSession();
  const [search] = useSearchParams();
  const next = useNext(video.id);
  const state: unknown = useLocation().state;
  // As after the film before; who comes by a link presses the button.
  const asked = typeof state === 'object' && state !== null && 'play' in state;
  const opening = {
    start: parseStart(search.get('t')),
    autoplay: asked,
    muted: false,
    loop: false,
  };
  return (
    <div className="min-w-0">
      {isReady(video) ? (
        <Stage
          video={video}
          opening={opening}
          onTheatre={onTheatre}
          after={next && <EndScreen next={next} />}
        />
      ) : (
        <ProcessingNotice video={video} mine={mine} />
      )}
      <div className="max-md:px-4">
        <div className="mt-5 flex flex-wrap items-start justify-between gap-x-6 gap-y-4">
          <div className="min-w-0 flex-1 basis-80">
            <h1
              dir="auto"
              className="text-2xl leading-tight font-extrabold tracking-tight md:text-3xl"
            >
              {video.title}
            </h1>
            {video.live && <LiveState live={video.live} />}
            <p className="mt-2 text-muted">
              {formatViews(video.views)} · <Ago iso={video.CreatedAt} />
              {video.visibility === 'unlisted' && ' · only people with the link'}
              {video.visibility === 'private' && ' · only you'}
              {video.visibility === 'draft' && ' · a draft, only you'}
            </p>
          </div>
          <div className="flex flex-wrap gap-2">
            {video.live && isReady(video) && user && <ClipButton videoId={video.id} />}
            <ShareButton video={video} />
            {mine && <OwnerActions video={video} onDeleted={() => void navigate('/videos')} />}
          </div>
        </div>
        {video.username && (
          <Link
            to={`/u/${encodeURIComponent(video.username)}`}
            className="mt-5 inline-flex items-center gap-3 rounded-lg font-semibold hover:underline"
          >
            <Avatar name={video.username} className="h-11 w-11 text-lg" />
            {video.username}
          </Link>
        )}
        <Description video={video} />
        <ChapterList video={video} />
        {mine && isReady(video) && <OwnersNotes videoId={video.id} />}
        <TagList video={video} editable={mine} />
      </div>
    </div>
  );
}
