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
  const { state } = item;
  if (state.phase === 'draft') {
    return (
      <DraftForm
        item={item}
        onEdit={(details) => queue.apply(item.id, { type: 'edited', details })}
        onSubmit={() => queue.apply(item.id, { type: 'submitted' })}
        onRemove={remove}
      />
    );
  }
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
      {(state.phase === 'queued' || state.phase === 'sending') && (
        <>
          <SendProgress item={item} />
          <Button size="sm" onClick={remove}>
            Cancel upload
          </Button>
        </>
      )}
      {state.phase === 'failed' && (
        <>
          <p role="alert" className="text-danger">
            {state.message}
          </p>
          <div className="flex gap-3">
            {state.retryable && (
              <Button
                size="sm"
                variant="primary"
                onClick={() => queue.apply(item.id, { type: 'submitted' })}
              >
                Try again
              </Button>
            )}
            <Button size="sm" onClick={remove}>
              Remove
            </Button>
          </div>
        </>
      )}
      {state.phase === 'sent' && <SentJob jobId={state.jobId} />}
    </div>
  );
}
