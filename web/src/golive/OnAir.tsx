import { Mic, MicOff, Video, VideoOff } from 'lucide-react';
import { useEffect, useState } from 'react';

import { formatClock, spokenDuration } from '../format/duration';
import { formatBytes } from '../format/size';
import { CopyField } from '../ui/CopyField';
import { Button } from '../ui/Button';
import { ButtonLink } from '../ui/ButtonLink';
import type { PublishState } from './publisher';
import { stateInWords } from './words';

interface OnAirProps {
  state: PublishState;
  streamId: string;
  videoId: string | null;
  record: boolean;
  muted: boolean;
  cameraOff: boolean;
  sounds: boolean;
  onMute: () => void;
  onCamera: () => void;
  onEnd: () => void;
}

/** What somebody who is live has to know, and can do. */
export function OnAir(props: OnAirProps) {
  const { state, videoId, muted, cameraOff } = props;
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-3">
        {state.phase === 'live' && (
          <span className="rounded-[5px] bg-live px-2 py-1 text-sm font-bold text-white">LIVE</span>
        )}
        {state.since !== null && <Elapsed since={state.since} />}
        {state.bytes > 0 && (
          <span className="text-sm text-muted">
            {formatBytes(state.bytes)} {props.record ? 'recorded' : 'sent'}
          </span>
        )}
      </div>
      <p role="status" className="font-semibold">
        {stateInWords(state)}
      </p>
      <div className="flex flex-wrap gap-3">
        {props.sounds && (
          <Button aria-pressed={muted} onClick={props.onMute}>
            {muted ? (
              <MicOff className="h-4 w-4" aria-hidden="true" />
            ) : (
              <Mic className="h-4 w-4" aria-hidden="true" />
            )}
            Mute
          </Button>
        )}
        <Button aria-pressed={cameraOff} onClick={props.onCamera}>
          {cameraOff ? (
            <VideoOff className="h-4 w-4" aria-hidden="true" />
          ) : (
            <Video className="h-4 w-4" aria-hidden="true" />
          )}
          Picture off
        </Button>
        <Button variant="danger" onClick={props.onEnd}>
          End the live
        </Button>
      </div>
      {videoId !== null && (
        <CopyField label="Link for viewers" value={`${window.location.origin}/watch/${videoId}`} />
      )}
      <p className="text-sm text-muted">
        The live goes on while you are in another tab or program. It ends when you close this one.
      </p>
      <ButtonLink to={`/live/${props.streamId}`} size="sm" target="_blank">
        The stream’s page
      </ButtonLink>
    </div>
  );
}

function Elapsed({ since }: { since: number }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const elapsed = Math.max(0, now - since);
  return (
    <span className="timecode font-semibold">
      <span aria-hidden="true">{formatClock(elapsed)}</span>
      <span className="sr-only">{spokenDuration(elapsed)} live</span>
    </span>
  );
}
