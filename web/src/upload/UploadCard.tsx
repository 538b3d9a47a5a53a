import { Link } from 'react-router';

import { formatBytes } from '../format/size';
import { Button } from '../ui/Button';
import { DraftForm } from './DraftForm';
import { LocalPreview } from './LocalPreview';
import type { UploadItem } from './machine';
import { SendProgress } from './SendProgress';
import { SentJob } from './SentJob';
import { useUploadQueue } from './UploadProvider';

/** One file from picking it to watching it. */
export function UploadCard({ item }: { item: UploadItem }) {
  return (
    <article
      aria-label={item.details.title}
      className="grid grid-cols-1 gap-5 rounded-2xl border border-line bg-surface p-4 md:grid-cols-[15rem_minmax(0,1fr)] md:gap-7 md:p-6"
    >
      <div>
        <LocalPreview file={item.file} />
        <p className="mt-2 truncate text-xs text-muted" title={item.file.name}>
          {item.file.name} · <span className="timecode">{formatBytes(item.file.size)}</span>
        </p>
      </div>
      <CardBody item={item} />
    </article>
  );
}

function CardBody({ item }: { item: UploadItem }) {
  const queue = useUploadQueue();
  const remove = () => queue.remove(item.id);
  if (!item.submitted) {
    return (
      <div className="min-w-0 space-y-4">
        <Bytes item={item} />
        <DraftForm
          item={item}
          onEdit={(details) => queue.apply(item.id, { type: 'edited', details })}
          onSubmit={() => queue.apply(item.id, { type: 'submitted' })}
          onRemove={remove}
        />
      </div>
    );
  }
  const { state } = item;
  return (
    <div className="space-y-4">
      <h2 dir="auto" className="text-xl leading-snug font-bold">
        {state.phase === 'sent' ? (
          <Link to={`/watch/${state.jobId}`} className="hover:underline">
            {item.details.title}
          </Link>
        ) : (
          item.details.title
        )}
      </h2>
      <Bytes item={item} onRemove={remove} />
    </div>
  );
}

/** How the bytes are doing, and what can be done about it. */
function Bytes({ item, onRemove }: { item: UploadItem; onRemove?: () => void }) {
  const queue = useUploadQueue();
  const { state } = item;
  if (state.phase === 'sent') return <SentJob jobId={state.jobId} />;
  const resume = () => queue.apply(item.id, { type: 'resumed' });
  return (
    <>
      {state.phase === 'failed' ? (
        <p role="alert" className="text-danger">
          {state.message}
        </p>
      ) : (
        <SendProgress item={item} />
      )}
      <div className="flex gap-3 empty:hidden">
        {(state.phase === 'queued' || state.phase === 'sending') && (
          <Button size="sm" onClick={() => queue.pause(item.id)}>
            Pause
          </Button>
        )}
        {state.phase === 'paused' && (
          <Button size="sm" variant="primary" onClick={resume}>
            Resume
          </Button>
        )}
        {state.phase === 'failed' && state.retryable && (
          <Button size="sm" variant="primary" onClick={resume}>
            Try again
          </Button>
        )}
        {onRemove && (
          <Button size="sm" onClick={onRemove}>
            {state.phase === 'failed' ? 'Remove' : 'Cancel upload'}
          </Button>
        )}
      </div>
    </>
  );
}
