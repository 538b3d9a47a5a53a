import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';

import type { LiveStream } from '../api/models';
import { Button } from '../ui/Button';
import { CopyField } from '../ui/CopyField';
import { ConfirmDialog } from '../ui/Dialog';
import { InlineError } from '../ui/states';
import { keepSecrets, keptSecrets, type StreamSecrets } from './keys';
import { rotateKey } from './liveStreams';

/** What programs take as one address; others ask for its parts. */
function Srt({ address, secrets }: { address: string; secrets: StreamSecrets | null }) {
  const { srt_stream_id: streamId = null, srt_passphrase: passphrase = null } = secrets ?? {};
  if (streamId === null || passphrase === null)
    return (
      <div className="space-y-1.5">
        <CopyField label="SRT address" value={address} />
        <p className="text-sm text-muted">
          Its stream id and passphrase are shown with a new stream key.
        </p>
      </div>
    );
  const login = new URLSearchParams({ streamid: streamId, passphrase }).toString();
  return (
    <div className="space-y-4">
      <CopyField label="SRT address" value={`${address}?${login}`} secret />
      <p className="text-sm text-muted">Or, where a program asks for its parts:</p>
      <CopyField label="SRT server" value={address} />
      <CopyField label="SRT stream id" value={streamId} />
      <CopyField label="SRT passphrase" value={passphrase} secret />
    </div>
  );
}

/** Addresses for programs that send by other ways than RTMP, where the installation has them. */
function OtherWays({ stream, secrets }: { stream: LiveStream; secrets: StreamSecrets | null }) {
  const { rtmps_url: rtmps, srt_url: srt, whip_url: whip } = stream;
  if (rtmps === null && srt === null && whip === null) return null;
  return (
    <details className="rounded-lg border border-line px-4 py-3">
      <summary className="cursor-pointer text-sm font-semibold">Other ways to send</summary>
      <div className="mt-4 space-y-4">
        {rtmps !== null && <CopyField label="Encrypted server (RTMPS)" value={rtmps} />}
        {srt !== null && <Srt address={srt} secrets={secrets} />}
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
  const [secrets, setSecrets] = useState(() => keptSecrets(stream.id));
  const [asking, setAsking] = useState(false);
  const rotate = useMutation({
    mutationFn: () => rotateKey(stream.id),
    onSuccess: (answer) => {
      keepSecrets(answer);
      setSecrets(answer);
      setAsking(false);
    },
  });
  return (
    <div className="space-y-4">
      <CopyField label="Server" value={stream.rtmp_url} />
      {secrets === null ? (
        <p className="text-muted">
          The stream key was shown when it was made. If you have lost it, make a new one.
        </p>
      ) : (
        <>
          <CopyField label="Stream key" value={secrets.stream_key} secret />
          <p className="text-sm text-muted">
            Copy the key now: it is not shown again. Who has it can go live in your name.
          </p>
        </>
      )}
      <OtherWays stream={stream} secrets={secrets} />
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
