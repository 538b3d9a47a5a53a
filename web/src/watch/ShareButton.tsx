import { Share2 } from 'lucide-react';
import { useState } from 'react';

import type { Video } from '../api/models';
import { playerPosition } from '../player/position';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { ShareChoices } from './ShareChoices';

/** Opens what a video can be passed on by. */
export function ShareButton({ video }: { video: Video }) {
  const [moment, setMoment] = useState<number | null>(null);
  const close = () => setMoment(null);
  return (
    <>
      {/* A live has no moment that would be another one's, too. */}
      <Button size="sm" onClick={() => setMoment(video.live ? 0 : playerPosition.get())}>
        <Share2 className="h-4 w-4" aria-hidden="true" />
        Share
      </Button>
      <Dialog open={moment !== null} title="Share" onClose={close}>
        <ShareChoices video={video} moment={moment ?? 0} onClose={close} />
      </Dialog>
    </>
  );
}
