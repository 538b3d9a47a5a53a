import { cx } from './cx';

const TONES = [
  'bg-[#1f5d4e] text-[#e5f5ef]',
  'bg-[#7a3b2e] text-[#fdeae4]',
  'bg-[#2f4f73] text-[#e6f0fb]',
  'bg-[#6b5312] text-[#fdf3d6]',
  'bg-[#5a3d5c] text-[#f6e9f7]',
] as const;

function toneOf(name: string): string {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973;
  return TONES[sum % TONES.length] ?? TONES[0];
}

/** A person's initial on a colour that is always the same for the same name. */
export function Avatar({
  name,
  className = 'h-9 w-9 text-sm',
}: {
  name: string;
  className?: string;
}) {
  return (
    <span
      aria-hidden="true"
      className={cx(
        'inline-flex shrink-0 items-center justify-center rounded-full font-bold uppercase',
        toneOf(name),
        className,
      )}
    >
      {Array.from(name)[0] ?? '?'}
    </span>
  );
}
