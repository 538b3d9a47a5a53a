import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, useSyncExternalStore } from 'react';
import { useSearchParams } from 'react-router';

import { useIntent } from '../api/intent';
import type { LiveStream } from '../api/models';
import { queries } from '../api/queries';
import { authFetch } from '../auth/authFetch';
import { useMe } from '../auth/AuthProvider';
import { session } from '../auth/session';
import type { Chosen, Source } from '../golive/capture';
import { OnAir } from '../golive/OnAir';
import { Preview } from '../golive/Preview';
import { Publisher } from '../golive/publisher';
import { DEFAULT_QUALITY, type SendQuality } from '../golive/quality';
import { SourceSetup } from '../golive/SourceSetup';
import { StreamChoice, type StreamPlan } from '../golive/StreamChoice';
import { type Capture, useCapture } from '../golive/useCapture';
import { useLeaving } from '../golive/useLeaving';
import { stateInWords } from '../golive/words';
import { keepSecrets } from '../live/keys';
import { createStream, endLive, liveVisibility, readStream } from '../live/liveStreams';
import { Button } from '../ui/Button';
import { ButtonLink } from '../ui/ButtonLink';
import { ConfirmDialog } from '../ui/Dialog';
import { PageHeader } from '../ui/PageHeader';
import { InlineError } from '../ui/states';

const request = authFetch(session);

interface Running {
  publisher: Publisher;
  stream: LiveStream;
}

/** Goes live from this browser: a camera or a screen, without another program. */
export default function GoLivePage() {
  const capture = useCapture();
  const [quality, setQuality] = useState(DEFAULT_QUALITY);
  const [running, setRunning] = useState<Running | null>(null);
  const [muted, setMuted] = useState(false);
  const [cameraOff, setCameraOff] = useState(false);

  const open = async (source: Source, wanted: SendQuality, chosen: Chosen) => {
    const media = await capture.open(source, wanted, chosen);
    if (!media) return;
    setQuality(wanted);
    apply(media, muted, cameraOff);
    for (const track of media.getTracks()) await running?.publisher.replace(track);
  };
  const off = (silent: boolean, dark: boolean) => {
    setMuted(silent);
    setCameraOff(dark);
    apply(capture.media, silent, dark);
  };
  const setup = (
    <SourceSetup
      capture={capture}
      quality={quality}
      sizeFixed={running !== null}
      onOpen={(...wanted) => void open(...wanted)}
    />
  );
  return (
    <div className="page">
      <PageHeader title="Go live">
        From this browser: your camera with its microphone, or your screen.
      </PageHeader>
      <div className="grid gap-8 lg:grid-cols-[minmax(0,1.5fr)_minmax(0,1fr)]">
        <div className="space-y-5">
          <Preview
            media={capture.media}
            mirrored={capture.source === 'camera'}
            cameraOff={cameraOff}
          />
          {setup}
        </div>
        {running ? (
          <Live
            running={running}
            capture={capture}
            muted={muted}
            cameraOff={cameraOff}
            onOff={off}
            onAgain={() => {
              setRunning(null);
              off(false, false);
            }}
          />
        ) : (
          <Start capture={capture} quality={quality} onRunning={setRunning} />
        )}
      </div>
    </div>
  );
}

function apply(media: MediaStream | null, muted: boolean, cameraOff: boolean) {
  media?.getAudioTracks().forEach((track) => (track.enabled = !muted));
  media?.getVideoTracks().forEach((track) => (track.enabled = !cameraOff));
}

interface StartProps {
  capture: Capture;
  quality: SendQuality;
  onRunning: (running: Running) => void;
}

/** Which stream it is, and the button that begins. */
function Start({ capture, quality, onRunning }: StartProps) {
  const me = useMe();
  const [params] = useSearchParams();
  const client = useQueryClient();
  const { data: streams, error } = useQuery(queries.liveStreams());
  const [planned, setPlanned] = useState<StreamPlan | null>(null);
  const intent = useIntent();
  const usable = (streams ?? []).filter(({ status }) => status !== 'disabled');
  const first = usable.find(({ id }) => id === params.get('stream')) ?? usable[0];
  const plan = planned ?? {
    id: first?.id ?? null,
    title: '',
    visibility: liveVisibility(me?.default_visibility ?? 'public'),
  };
  const begin = useMutation({
    mutationFn: async ({ media, key }: { media: MediaStream; key: string }) => {
      const stream = usable.find(({ id }) => id === plan.id) ?? (await makeStream(plan, key));
      void client.invalidateQueries({ queryKey: queries.liveStreams().queryKey });
      const publisher = new Publisher({
        endpoint: `/api/v1/live/streams/${stream.id}/whip`,
        media,
        quality,
        reconnectSeconds: stream.reconnect_seconds,
        request,
        runningVideo: async () => (await readStream(stream.id)).video_id,
      });
      void publisher.start();
      onRunning({ publisher, stream });
    },
    onSettled: (_, failure) => intent.settled(failure),
  });
  if (error) return <InlineError error={error} />;
  if (!streams) return <div className="h-40 shimmer rounded-lg" />;
  const { media } = capture;
  return (
    <form
      className="space-y-5"
      onSubmit={(event) => {
        event.preventDefault();
        const key = intent.keyFor(`${plan.visibility} ${plan.title.trim()}`);
        if (media) begin.mutate({ media, key });
      }}
    >
      <StreamChoice streams={usable} plan={plan} onChange={setPlanned} />
      <InlineError error={begin.error} />
      <Button
        type="submit"
        variant="primary"
        busy={begin.isPending}
        disabled={!media || (plan.id === null && plan.title.trim() === '')}
      >
        Go live
      </Button>
      {!media && <p className="text-sm text-muted">Choose camera or screen first.</p>}
      <p className="text-sm text-muted">
        You have OBS or another program?{' '}
        <ButtonLink
          to={plan.id === null ? '/live' : `/live/${plan.id}`}
          variant="ghost"
          size="sm"
          className="underline underline-offset-4"
        >
          Its settings
        </ButtonLink>
      </p>
    </form>
  );
}

async function makeStream(plan: StreamPlan, key: string): Promise<LiveStream> {
  const made = await createStream(plan.title.trim(), liveVisibility(plan.visibility), key);
  // It is shown on the stream's page, where somebody may want it for OBS.
  keepSecrets(made);
  return made;
}

interface LiveProps {
  running: Running;
  capture: Capture;
  muted: boolean;
  cameraOff: boolean;
  onOff: (muted: boolean, cameraOff: boolean) => void;
  onAgain: () => void;
}

function Live({ running, capture, muted, cameraOff, onOff, onAgain }: LiveProps) {
  const { publisher, stream } = running;
  const state = useSyncExternalStore(publisher.subscribe, publisher.state);
  const over = state.phase === 'ended' || state.phase === 'failed';
  const { data } = useQuery({ ...queries.liveStream(stream.id), refetchInterval: POLL_MS });
  // The last one that was seen: it is the video after the end, too.
  const [videoId, setVideoId] = useState<string | null>(null);
  if (data?.video_id && data.video_id !== videoId && !over) setVideoId(data.video_id);
  const leaving = useLeaving(!over);
  const [asking, setAsking] = useState(false);
  const end = useMutation({
    mutationFn: async () => {
      await publisher.stop();
      await endLive(stream.id);
      capture.close();
    },
    onSettled: () => setAsking(false),
  });
  const leave = useMutation({
    mutationFn: () => end.mutateAsync(),
    onSettled: () => leaving.proceed?.(),
  });
  if (over) {
    return (
      <div className="space-y-5">
        <p role="status" className="text-lg font-bold">
          {stateInWords(state)}
        </p>
        <InlineError error={end.error} />
        <div className="flex flex-wrap gap-3">
          {videoId !== null && (
            <ButtonLink to={`/watch/${videoId}`} variant="primary">
              Watch the video
            </ButtonLink>
          )}
          <Button onClick={onAgain}>Go live again</Button>
        </div>
      </div>
    );
  }
  return (
    <>
      <OnAir
        state={state}
        streamId={stream.id}
        videoId={videoId}
        record={stream.record}
        muted={muted}
        cameraOff={cameraOff}
        sounds={(capture.media?.getAudioTracks().length ?? 0) > 0}
        onMute={() => onOff(!muted, cameraOff)}
        onCamera={() => onOff(muted, !cameraOff)}
        onEnd={() => setAsking(true)}
      />
      <ConfirmDialog
        open={asking}
        title="End the live?"
        confirmLabel="End"
        busy={end.isPending}
        onConfirm={() => end.mutate()}
        onCancel={() => setAsking(false)}
      >
        {stream.record ? 'Its video stays.' : 'Nothing of it is kept.'}
      </ConfirmDialog>
      <ConfirmDialog
        open={leaving.state === 'blocked'}
        title="Leave and end the live?"
        confirmLabel="End and leave"
        busy={leave.isPending}
        onConfirm={() => leave.mutate()}
        onCancel={() => leaving.reset?.()}
      >
        You are live from this page.
      </ConfirmDialog>
    </>
  );
}

const POLL_MS = 4_000;
