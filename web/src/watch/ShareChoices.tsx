import { useQuery } from '@tanstack/react-query';
import { Mail, Share2 } from 'lucide-react';
import { type ReactNode, useState } from 'react';

import type { Video } from '../api/models';
import { embedCode } from '../embed/options';
import { formatClock } from '../format/duration';
import { startQuery } from '../player/startTime';
import { Button } from '../ui/Button';
import { CopyField } from '../ui/CopyField';
import { useNotify } from '../ui/notifications';
import { DownloadChoices } from './DownloadChoices';

interface ShareChoicesProps {
  video: Video;
  /** Where the film is, in seconds. */
  moment: number;
  onClose: () => void;
}

/** A video's link, from this moment on if wanted, its embed code, its files, e-mail, and the device's apps. */
export function ShareChoices({ video, moment, onClose }: ShareChoicesProps) {
  const [fromHere, setFromHere] = useState(false);
  const start = fromHere ? moment : 0;
  const link = `${window.location.origin}/watch/${video.id}${startQuery(start)}`;
  const hidden = video.visibility === 'private' || video.visibility === 'draft';
  const mail = `subject=${encodeURIComponent(video.title)}&body=${encodeURIComponent(link)}`;
  return (
    <div className="mt-4 space-y-5">
      {hidden && (
        <p className="rounded-lg bg-sunken px-3 py-2 text-sm">
          Only you can open this link while the video is {video.visibility}.
        </p>
      )}
      <div>
        <CopyField label="Link" value={link} />
        {moment > 0 && (
          <Choice checked={fromHere} onChange={setFromHere}>
            Start at {formatClock(moment * 1000)}
          </Choice>
        )}
      </div>
      {!hidden && <EmbedChoices video={video} start={start} />}
      <DownloadChoices video={video} />
      <div className="flex flex-wrap justify-end gap-3">
        <a
          href={`mailto:?${mail}`}
          className="inline-flex min-h-11 items-center gap-2 rounded-lg border border-line px-4 text-[0.9375rem] font-semibold hover:border-edge"
        >
          <Mail className="h-4 w-4" aria-hidden="true" />
          E-mail
        </a>
        {'share' in navigator && <DeviceShare title={video.title} url={link} />}
        <Button variant="primary" onClick={onClose}>
          Done
        </Button>
      </div>
    </div>
  );
}

function EmbedChoices({ video, start }: { video: Video; start: number }) {
  const [autoplay, setAutoplay] = useState(false);
  const [loop, setLoop] = useState(false);
  const { data: allowed } = useQuery({
    queryKey: ['embeddable', video.id],
    queryFn: () => isEmbeddable(video.id),
  });
  if (!allowed) return null;
  const code = embedCode(video, { start, autoplay, muted: autoplay, loop }, window.location.origin);
  return (
    <div>
      <CopyField label="Embed code" value={code} />
      <Choice checked={autoplay} onChange={setAutoplay}>
        Play by itself, without sound
      </Choice>
      <Choice checked={loop} onChange={setLoop}>
        Repeat
      </Choice>
    </div>
  );
}

/** Whether the site lets others show this video. */
async function isEmbeddable(id: string): Promise<boolean> {
  const url = encodeURIComponent(`${window.location.origin}/watch/${id}`);
  const answer = await fetch(`/oembed?url=${url}`, { method: 'HEAD' });
  return answer.ok;
}

interface ChoiceProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  children: ReactNode;
}

function Choice({ checked, onChange, children }: ChoiceProps) {
  return (
    <label className="flex min-h-11 cursor-pointer items-center gap-3">
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => onChange(event.target.checked)}
        className="h-5 w-5 accent-accent"
      />
      {children}
    </label>
  );
}

/** The device's own share sheet. */
function DeviceShare({ title, url }: { title: string; url: string }) {
  const notify = useNotify();
  const share = () =>
    navigator.share({ title, url }).catch((error: unknown) => {
      // Closing the share sheet is an answer, not an error.
      if (error instanceof DOMException && error.name === 'AbortError') return;
      notify('The device could not share it. Copy the link instead.');
    });
  return (
    <Button onClick={() => void share()}>
      <Share2 className="h-4 w-4" aria-hidden="true" />
      Other apps
    </Button>
  );
}
