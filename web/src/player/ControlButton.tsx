import type { ComponentProps } from 'react';

import { cx } from '../ui/cx';

export function ControlButton({
  label,
  className,
  ...rest
}: ComponentProps<'button'> & { label: string }) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={cx(
        'flex h-11 min-w-11 items-center justify-center rounded-lg px-2 text-white hover:bg-white/15',
        className,
      )}
      {...rest}
    />
  );
}
