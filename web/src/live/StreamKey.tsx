import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';

import type { LiveStream } from '../api/models';
import { Button } from '../ui/Button';
import { ConfirmDialog } from '../ui/Dialog';
import { InlineError } from '../ui/states';
import { CopyField } from './CopyField';
import { keepKey, keptKey } from './keys';
import { rotateKey } from './liveStreams';

/** Addresses for programs that send by other ways than RTMP, where the installation has them. */
function OtherWays({ stream, streamKey }: { stream: LiveStream; streamKey: string | null }) {
  const { rtmps_url: rtmps, srt_url: srt, whip_url: whip } = stream;
  if (rtmps === null && srt === null && whip === null) return null;
  return (
    <details className="rounded-lg border border-line px-4 py-3">
      <summary className="cursor-pointer text-sm font-semibold">Other ways to send</summary>
      <div className="mt-4 space-y-4">
        {rtmps !== null && <CopyField label="Encrypted server (RTMPS)" value={rtmps} />}
        {srt !== null && (
          <div className="space-y-1.5">
            <CopyField
              label="SRT address"
              value={streamKey === null ? srt : `${srt}?streamid=${streamKey}`}
              secret={streamKey !== null}
            />
            {streamKey === null && (
              <p className="text-sm text-muted">Add the stream key as the stream id.</p>
            )}
          </div>
        )}
        {whip !== null && (
          <div className="space-y-1.5">
            <CopyField label="WHIP address" value={new URL(whip, window.location.origin).href} />
            <p className="text-sm text-muted">The stream key is its bearer token.</p>
          </div>
        )}
      </div>
    </details>
  );
}

/** What to set in OBS or another program that sends by RTMP. */
export function StreamKey({ stream }: { stream: LiveStream }) {
  const [key, setKey] = useState(() => keptKey(stream.id));
  const [asking, setAsking] = useState(false);
  const rotate = useMutation({
    mutationFn: () => rotateKey(stream.id),
    onSuccess: (answer) => {
      keepKey(stream.id, answer.stream_key);
      setKey(answer.stream_key);
      setAsking(false);
    },
  });
  return (
    <div className="space-y-4">
      <CopyField label="Server" value={stream.rtmp_url} />
      {key === null ? (
        <p className="text-muted">
          The stream key was shown when it was made. If you have lost it, make a new one.
        </p>
      ) : (
        <>
          <CopyField label="Stream key" value={key} secret />
          <p className="text-sm text-muted">
            Copy the key now: it is not shown again. Who has it can go live in your name.
          </p>
        </>
      )}
      <OtherWays stream={stream} streamKey={key} />
      <Button size="sm" onClick={() => setAsking(true)}>
        New stream key
      </Button>
      <p className="text-sm text-muted">
        In OBS: Settings, Stream, service “Custom”. Under Output, set the keyframe interval to 2 s;
        with longer ones viewers see you later.
      </p>
      <InlineError error={rotate.error} />
      <ConfirmDialog
        open={asking}
        title="Make a new stream key?"
        confirmLabel="New key"
        busy={rotate.isPending}
        onConfirm={() => rotate.mutate()}
        onCancel={() => setAsking(false)}
      >
        The present key stops working at once, also for a live that is running.
      </ConfirmDialog>
    </div>
  );
}
