import { useQuery } from '@tanstack/react-query';

import { queries } from '../api/queries';

/** Why the last live has ended, where there was one. */
export function EndReason({ streamId }: { streamId: string }) {
  const { data: health } = useQuery(queries.liveHealth(streamId));
  if (!health?.end_reason) return null;
  return <p className="mb-6 text-muted">The last live ended: {health.end_reason}</p>;
}
