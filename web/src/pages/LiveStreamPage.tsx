import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';

import { Section } from '../account/Section';
import { queries } from '../api/queries';
import { Clips } from '../live/Clips';
import { EndReason } from '../live/EndReason';
import { ChatSwitch } from '../live/ChatSwitch';
import { Health } from '../live/Health';
import { Schedule } from '../live/Schedule';
import { Simulcast } from '../live/Simulcast';
import { isLive, streamStatus } from '../live/status';
import { StreamActions } from '../live/StreamActions';
import { StreamKey } from '../live/StreamKey';
import { ButtonLink } from '../ui/ButtonLink';
import { PageHeader } from '../ui/PageHeader';
import { ErrorState } from '../ui/states';

const POLL_MS = 2_000;

export default function LiveStreamPage() {
  const { streamId = '' } = useParams();
  const {
    data: stream,
    error,
    refetch,
  } = useQuery({ ...queries.liveStream(streamId), refetchInterval: POLL_MS });
  if (!stream) {
    return error ? (
      <ErrorState heading="h1" error={error} onRetry={() => void refetch()} />
    ) : (
      <div className="page">
        <div className="mt-10 h-40 shimmer rounded-lg" />
      </div>
    );
  }
  return (
    <div className="page max-w-3xl">
      <PageHeader
        title={stream.title}
        action={
          stream.video_id === null ? (
            <ButtonLink to={`/live/now?stream=${stream.id}`}>Go live from this browser</ButtonLink>
          ) : (
            <ButtonLink to={`/watch/${stream.video_id}`} variant="primary">
              Watch
            </ButtonLink>
          )
        }
      >
        <span role="status">{streamStatus(stream)}</span>
      </PageHeader>
      {!isLive(stream) && <EndReason streamId={stream.id} />}
      <div className="divide-y divide-line border-t border-line">
        {isLive(stream) && (
          <Section title="Health" lead="What arrives from your program.">
            <Health streamId={stream.id} />
          </Section>
        )}
        <Section title="Your program" lead="OBS, ffmpeg or any other that sends a live.">
          <StreamKey stream={stream} />
        </Section>
        <Section title="Next live" lead="Viewers can find it before it begins.">
          <Schedule stream={stream} />
        </Section>
        <Section title="Simulcast" lead="Lives are sent on to other services as they are.">
          <Simulcast streamId={stream.id} />
        </Section>
        <Section title="Clips" lead="The last seconds of a live, as videos of their own.">
          <Clips stream={stream} />
        </Section>
        <Section title="Chat" lead="Beside the live, and beside its video afterwards.">
          <ChatSwitch stream={stream} />
        </Section>
        <Section title="Stream" lead="Videos of past lives are among your videos.">
          <StreamActions stream={stream} />
        </Section>
      </div>
    </div>
  );
}
