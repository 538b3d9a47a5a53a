import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { RotateCcw, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Link, useSearchParams } from 'react-router';

import { toApiError } from '../api/errors';
import type { Binned } from '../api/models';
import { queries } from '../api/queries';
import { deleteForGood, restoreVideo } from '../api/videos';
import { formatClock } from '../format/duration';
import { Button } from '../ui/Button';
import { ButtonLink } from '../ui/ButtonLink';
import { ConfirmDialog } from '../ui/Dialog';
import { useNotify } from '../ui/notifications';
import { PageHeader } from '../ui/PageHeader';
import { EmptyState, ErrorState, InlineError } from '../ui/states';
import { useNow } from '../ui/useNow';
import { timeLeft } from '../videos/bin';
import { Pagination } from '../videos/Pagination';
import { pageFromParams } from '../videos/paging';

export default function BinPage() {
  return (
    <div className="page max-w-5xl">
      <PageHeader title="Bin" action={<ButtonLink to="/videos">My videos</ButtonLink>}>
        Nobody sees what is here. It counts towards your storage until it is deleted for good.
      </PageHeader>
      <BinList />
    </div>
  );
}

function BinList() {
  const [params] = useSearchParams();
  const { data, error, isPending, refetch } = useQuery(queries.bin(pageFromParams(params)));
  if (isPending) return <RowsSkeleton />;
  if (error) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (data.total === 0) {
    return (
      <EmptyState title="The bin is empty">
        {data.days === 0
          ? 'What you delete is gone at once.'
          : `What you delete stays here for ${data.days} days.`}
      </EmptyState>
    );
  }
  if (data.data.length === 0) {
    return (
      <EmptyState title="There is no such page">
        <Link to="?" className="text-link underline underline-offset-4">
          Go to the first page
        </Link>
      </EmptyState>
    );
  }
  return (
    <>
      <ul className="divide-y divide-line border-y border-line">
        {data.data.map((item) => (
          <li key={item.id}>
            <BinRow item={item} />
          </li>
        ))}
      </ul>
      <Pagination page={data.page} pageSize={data.page_size} total={data.total} />
    </>
  );
}

function BinRow({ item }: { item: Binned }) {
  const [asking, setAsking] = useState(false);
  const now = useNow();
  const client = useQueryClient();
  const notify = useNotify();
  const change = (task: (id: string) => Promise<void>, said: string) => ({
    mutationFn: () => task(item.id),
    onSuccess: async () => {
      setAsking(false);
      notify(said);
      void client.invalidateQueries(queries.usage());
      await client.invalidateQueries({ queryKey: ['videos'] });
    },
  });
  const restore = useMutation(change(restoreVideo, 'The video is back.'));
  const remove = useMutation(change(deleteForGood, 'The video has been deleted for good.'));
  return (
    <article className="flex flex-wrap items-center gap-x-6 gap-y-3 py-5">
      <div className="min-w-48 flex-1">
        <h2 dir="auto" className="line-clamp-2 text-lg leading-snug font-bold">
          {item.title}
        </h2>
        <p className="mt-1 text-sm text-muted">
          {timeLeft(item.delete_at, now)}
          {item.duration_ms !== null && <> · {formatClock(item.duration_ms)}</>}
        </p>
        <InlineError error={restore.error} />
      </div>
      <div className="flex flex-wrap gap-2">
        <Button size="sm" busy={restore.isPending} onClick={() => restore.mutate()}>
          <RotateCcw className="h-4 w-4" aria-hidden="true" />
          Restore
        </Button>
        <Button size="sm" variant="danger" onClick={() => setAsking(true)}>
          <Trash2 className="h-4 w-4" aria-hidden="true" />
          Delete now
        </Button>
      </div>
      <ConfirmDialog
        open={asking}
        title="Delete this video for good?"
        confirmLabel="Delete for good"
        busy={remove.isPending}
        error={remove.error ? toApiError(remove.error).message : undefined}
        onConfirm={() => remove.mutate()}
        onCancel={() => setAsking(false)}
      >
        “{item.title}” can’t be taken back afterwards.
      </ConfirmDialog>
    </article>
  );
}

function RowsSkeleton() {
  return (
    <div role="status" aria-label="Loading the bin" className="space-y-6 pt-5">
      {[0, 1, 2].map((row) => (
        <div key={row} className="h-14 shimmer rounded" />
      ))}
    </div>
  );
}
