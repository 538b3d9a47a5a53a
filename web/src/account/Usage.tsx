import { useQuery } from '@tanstack/react-query';

import { queries } from '../api/queries';
import { formatBytes } from '../format/size';
import { InlineError } from '../ui/states';
import { Section } from './Section';

interface Used {
  used: number;
  allowed?: number | null;
}

const plain = (amount: number) => amount.toLocaleString('en');

/** What the account uses and is allowed. */
export function Usage() {
  const usage = useQuery(queries.usage());
  return (
    <Section title="Usage" lead="What your account uses, and what it may use.">
      <InlineError error={usage.error} />
      {usage.data && (
        <ul className="space-y-3">
          <Line name="Storage" amount={usage.data.bytes} show={formatBytes} />
          {usage.data.lives.used > 0 && (
            <Line name="Storage of lives" amount={usage.data.live_bytes} show={formatBytes} />
          )}
          {usage.data.deleted_bytes.used > 0 && (
            <Line
              name="Deleted, to be removed soon"
              amount={usage.data.deleted_bytes}
              show={formatBytes}
            />
          )}
          <Line name="Videos" amount={usage.data.videos} show={plain} />
          <Line name="Open uploads" amount={usage.data.open_uploads} show={plain} />
          <Line name="Minutes processed today" amount={usage.data.encode_minutes} show={plain} />
        </ul>
      )}
    </Section>
  );
}

function Line(props: { name: string; amount: Used; show: (amount: number) => string }) {
  const { used, allowed } = props.amount;
  const text = allowed == null ? props.show(used) : `${props.show(used)} of ${props.show(allowed)}`;
  return (
    <li>
      <div className="flex justify-between gap-4">
        <span>{props.name}</span>
        <span className="text-muted tabular-nums">{text}</span>
      </div>
      {allowed != null && (
        <meter
          className="mt-1 h-1.5 w-full"
          aria-label={props.name}
          min={0}
          max={Math.max(1, allowed)}
          value={Math.min(used, allowed)}
        />
      )}
    </li>
  );
}
