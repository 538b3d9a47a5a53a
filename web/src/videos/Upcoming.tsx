import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';

import { queries } from '../api/queries';
import { plannedTime } from '../live/planned';

interface UpcomingProps {
  /** Whose; null for everybody's. */
  userId: string | null;
}

/** Lives that have not begun, the soonest first. */
export function Upcoming({ userId }: UpcomingProps) {
  const { data = [] } = useQuery(queries.upcoming(userId));
  if (data.length === 0) return null;
  return (
    <section aria-labelledby="upcoming" className="mb-12">
      <h2 id="upcoming" className="mb-4 text-xl font-extrabold tracking-tight">
        Upcoming lives
      </h2>
      <ul className="divide-y divide-line border-y border-line">
        {data.map((live) => (
          <li key={live.id} className="flex flex-wrap items-baseline gap-x-4 gap-y-1 py-3">
            <Link to={`/planned/${live.id}`} className="min-w-0 font-semibold">
              {live.title}
            </Link>
            {userId === null && <span className="text-muted">{live.username}</span>}
            <time dateTime={live.scheduled_at} className="ml-auto text-sm text-muted">
              {plannedTime(live.scheduled_at)}
            </time>
          </li>
        ))}
      </ul>
    </section>
  );
}
