import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useParams } from 'react-router';

import { ApiError } from '../api/errors';
import { queries } from '../api/queries';
import { useSession } from '../auth/AuthProvider';
import { ChatPanel } from '../live/ChatPanel';
import { ChatReplay } from '../live/ChatReplay';
import { theatre } from '../player/preferences';
import { ButtonLink } from '../ui/ButtonLink';
import { cx } from '../ui/cx';
import { PageTitle } from '../ui/PageTitle';
import { EmptyState, ErrorState } from '../ui/states';
import { isFinished } from '../videos/status';
import { Transcript } from '../watch/Transcript';
import { UpNext } from '../watch/UpNext';
import { WatchSkeleton } from '../watch/WatchSkeleton';
import { WatchView } from '../watch/WatchView';

/** How often a viewer who doesn't own an unfinished video looks whether it has got further. */
const RECHECK_MS = 4_000;

export default function WatchPage() {
  const { videoId = '' } = useParams();
  const session = useSession();
  const {
    data: video,
    error,
    isPending,
    refetch,
  } = useQuery({
    ...queries.video(videoId),
    refetchInterval: ({ state }) => (state.data && !isFinished(state.data) ? RECHECK_MS : false),
  });
  const [wide, setWide] = useState(theatre.get);
  const toggleWide = () => {
    theatre.set(!wide);
    setWide(!wide);
  };
  if (isPending) return <WatchSkeleton />;
  if (!video) {
    if (error instanceof ApiError && error.status === 404) return <Gone />;
    return <ErrorState heading="h1" error={error} onRetry={() => void refetch()} />;
  }
  const mine = session !== null && session.username === video.username;
  return (
    <div
      className={cx(
        'page grid grid-cols-1 gap-10 pt-0 max-md:px-0 md:pt-6',
        !wide && 'xl:grid-cols-[minmax(0,1fr)_20rem]',
      )}
    >
      <PageTitle title={video.title} />
      <WatchView key={video.id} video={video} mine={mine} onTheatre={toggleWide} />
      <div className="space-y-10">
        {video.live && !video.live.ended && (
          <ChatPanel key={video.id} videoId={video.id} mine={mine} />
        )}
        {!video.live && video.was_live && <ChatReplay key={video.id} video={video} />}
        <Transcript key={`transcript-${video.id}`} video={video} />
        <UpNext currentId={video.id} />
      </div>
    </div>
  );
}

function Gone() {
  return (
    <EmptyState
      heading="h1"
      title="This video isn’t here"
      action={
        <ButtonLink to="/" variant="primary">
          See the newest videos
        </ButtonLink>
      }
    >
      <PageTitle title="Not found" />
      It may have been deleted, or it is private.
    </EmptyState>
  );
}
