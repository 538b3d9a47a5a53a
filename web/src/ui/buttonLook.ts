import { cx } from './cx';

type Variant = 'primary' | 'secondary' | 'ghost' | 'danger';
type Size = 'sm' | 'md';

const BASE =
  'inline-flex shrink-0 items-center justify-center gap-2 rounded-lg font-semibold whitespace-nowrap transition-colors disabled:cursor-not-allowed disabled:opacity-55';

const VARIANTS: Record<Variant, string> = {
  primary: 'bg-accent text-on-accent enabled:hover:bg-accent-hover',
  secondary: 'border border-line bg-surface text-ink hover:border-edge',
  ghost: 'text-ink hover:bg-sunken',
  danger: 'border border-danger/50 text-danger hover:border-danger hover:bg-danger/8',
};

const SIZES: Record<Size, string> = {
  sm: 'min-h-9 px-3 text-sm pointer-coarse:min-h-11',
  md: 'min-h-11 px-4 text-[0.9375rem]',
};

export interface Look {
  variant?: Variant | undefined;
  size?: Size | undefined;
}

/** The classes of what looks like a button. */
export function buttonLook(
  { variant = 'secondary', size = 'md' }: Look,
  className: string | undefined,
): string {
  return cx(BASE, VARIANTS[variant], SIZES[size], className);
}
