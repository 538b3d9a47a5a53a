import type { ReactNode } from 'react';

import { toApiError } from '../api/errors';
import { Button } from './Button';
import { LogoMark } from './Logo';

interface Outline {
  /** `h1` where the message is the whole page. */
  heading?: 'h1' | 'h2';
}

interface EmptyProps extends Outline {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}

export function EmptyState({ title, children, action, heading: Heading = 'h2' }: EmptyProps) {
  return (
    <div className="mx-auto flex max-w-md flex-col items-center px-4 py-16 text-center md:py-24">
      <span className="mb-6 flex h-20 w-20 items-center justify-center rounded-2xl bg-sunken text-edge">
        <LogoMark className="ml-1.5 h-9 w-9" />
      </span>
      <Heading className="text-xl font-bold">{title}</Heading>
      {children && <div className="mt-2 text-muted">{children}</div>}
      {action && <div className="mt-6 flex flex-wrap justify-center gap-3">{action}</div>}
    </div>
  );
}

interface ErrorProps extends Outline {
  error: unknown;
  onRetry?: () => void;
  title?: string;
}

export function ErrorState({
  error,
  onRetry,
  title = 'This didn’t load',
  heading: Heading = 'h2',
}: ErrorProps) {
  const { message, traceId } = toApiError(error);
  return (
    <div role="alert" className="mx-auto max-w-md px-4 py-16 text-center md:py-24">
      <Heading className="text-xl font-bold">{title}</Heading>
      <p className="mt-2 text-muted">{message}</p>
      {traceId && <p className="mt-2 timecode text-xs text-muted">Trace {traceId}</p>}
      {onRetry && (
        <Button className="mt-6" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** A one-line error inside a form or a card. */
export function InlineError({ error }: { error: unknown }) {
  if (!error) return null;
  return (
    <p role="alert" className="rounded-lg bg-danger/10 px-3 py-2 text-sm text-danger">
      {toApiError(error).message}
    </p>
  );
}
