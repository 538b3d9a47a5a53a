import { type ComponentProps, type ReactNode, useId } from 'react';

import { cx } from './cx';

const CONTROL =
  'w-full rounded-lg border bg-surface px-3 text-base text-ink placeholder:text-muted/80 disabled:opacity-60';

interface Common {
  label: string;
  hint?: ReactNode;
  error?: string | null | undefined;
}

type InputProps = Common & Omit<ComponentProps<'input'>, 'id'>;
type AreaProps = Common & Omit<ComponentProps<'textarea'>, 'id'>;

export function TextField({ label, hint, error, className, ...rest }: InputProps) {
  const ids = useFieldIds(hint, error);
  return (
    <FieldFrame label={label} hint={hint} error={error} ids={ids} className={className}>
      <input
        dir="auto"
        {...ids.control}
        className={cx(CONTROL, 'h-11', error ? 'border-danger' : 'border-edge')}
        {...rest}
      />
    </FieldFrame>
  );
}

export function TextArea({ label, hint, error, className, rows = 4, ...rest }: AreaProps) {
  const ids = useFieldIds(hint, error);
  return (
    <FieldFrame label={label} hint={hint} error={error} ids={ids} className={className}>
      <textarea
        dir="auto"
        {...ids.control}
        rows={rows}
        className={cx(CONTROL, 'py-2.5', error ? 'border-danger' : 'border-edge')}
        {...rest}
      />
    </FieldFrame>
  );
}

interface FieldIds {
  control: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': true | undefined };
  hint: string;
  error: string;
}

function useFieldIds(hint: ReactNode, error: string | null | undefined): FieldIds {
  const id = useId();
  const described = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean);
  return {
    control: {
      id,
      'aria-describedby': described.join(' ') || undefined,
      'aria-invalid': error ? true : undefined,
    },
    hint: `${id}-hint`,
    error: `${id}-error`,
  };
}

function FieldFrame({
  label,
  hint,
  error,
  ids,
  className,
  children,
}: Common & { ids: FieldIds; className?: string | undefined; children: ReactNode }) {
  return (
    <div className={className}>
      <div className="mb-1.5 flex items-baseline justify-between gap-3">
        <label htmlFor={ids.control.id} className="text-sm font-semibold">
          {label}
        </label>
        {hint && (
          <span id={ids.hint} className="text-right text-sm text-muted">
            {hint}
          </span>
        )}
      </div>
      {children}
      {error && (
        <p id={ids.error} className="mt-1.5 text-sm text-danger">
          {error}
        </p>
      )}
    </div>
  );
}
