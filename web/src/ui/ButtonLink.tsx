import type { ComponentProps } from 'react';
import { Link } from 'react-router';

import { buttonLook, type Look } from './buttonLook';
import { cx } from './cx';

/** A link that looks like a button. The player has none, so that it needs no router. */
export function ButtonLink({
  variant,
  size,
  className,
  ...rest
}: ComponentProps<typeof Link> & Look) {
  const hover = variant === 'primary' && 'hover:bg-accent-hover';
  return <Link className={buttonLook({ variant, size }, cx(hover, className))} {...rest} />;
}
