import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';

import { queries } from '../api/queries';
import { CreateStream } from '../live/CreateStream';
import { isLive, streamStatus } from '../live/status';
import { ButtonLink } from '../ui/ButtonLink';
import { cx } from '../ui/cx';
import { PageHeader } from '../ui/PageHeader';
import { ErrorState } from '../ui/states';

export default function LiveStreamsPage() {
  const { data: streams, error, isPending, refetch } = useQuery(queries.liveStreams());
  if (error) return <ErrorState heading="h1" error={error} onRetry={() => void refetch()} />;
  return (
    <div className="page max-w-3xl">
      <PageHeader
        title="Live streams"
        action={
          <ButtonLink to="/live/now" variant="primary">
            Go live
          </ButtonLink>
        }
      >
        A stream has a key that you set once in OBS. Each time you go live with it, a new video is
        made.
      </PageHeader>
      {isPending && <div className="mb-10 h-[4.875rem] shimmer rounded-lg" />}
      {streams && streams.length > 0 && (
        <ul className="mb-10 divide-y divide-line border-y border-line">
          {streams.map((stream) => (
            <li key={stream.id} className="flex items-center justify-between gap-4 py-4">
              <Link
                to={`/live/${stream.id}`}
                dir="auto"
                className="min-w-0 truncate rounded-sm py-2.5 font-semibold hover:underline"
              >
                {stream.title}
              </Link>
              <span
                className={cx(
                  'shrink-0 text-sm',
                  isLive(stream) ? 'font-semibold text-ink' : 'text-muted',
                )}
              >
                {streamStatus(stream)}
              </span>
            </li>
          ))}
        </ul>
      )}
      <h2 className="mb-4 text-lg font-bold">New stream</h2>
      <CreateStream />
    </div>
  );
}
