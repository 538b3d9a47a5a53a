import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';

import { queries } from '../api/queries';
import { formatBytes } from '../format/size';

/** The share of what is allowed from which on an account is told. */
const NEAR = 0.8;

const SHARES = [
  ['bytes', 'storage', formatBytes],
  ['videos', 'videos', plain],
  ['encode_minutes', 'minutes of processing today', plain],
] as const;

/** Says before an upload what an account has almost used up; nothing while there is room. */
export function NearQuota() {
  const usage = useQuery(queries.usage());
  const near = SHARES.flatMap(([name, what, show]) => {
    const { used, allowed } = usage.data?.[name] ?? { used: 0, allowed: null };
    return allowed != null && used >= NEAR * allowed
      ? [`${show(used)} of ${show(allowed)} ${what}`]
      : [];
  });
  if (near.length === 0) return null;
  return (
    <p role="note" className="mb-4 rounded-lg bg-surface px-4 py-3">
      Your account uses {near.join(' and ')}.{' '}
      <Link to="/videos" className="underline underline-offset-4">
        Delete what you no longer need
      </Link>{' '}
      and empty the{' '}
      <Link to="/videos/bin" className="underline underline-offset-4">
        bin
      </Link>{' '}
      to make room.
    </p>
  );
}

function plain(amount: number): string {
  return amount.toLocaleString('en');
}
