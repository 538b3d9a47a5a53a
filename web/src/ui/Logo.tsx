const BARS = [
  [0, 8],
  [5, 16],
  [10, 24],
  [15, 16],
  [20, 8],
] as const;

/** Lines of a log that together make a play button. */
export function LogoMark({ className = 'h-6 w-6' }: { className?: string }) {
  return (
    <svg viewBox="0 0 24 23.4" className={className} aria-hidden="true" fill="currentColor">
      {BARS.map(([y, width]) => (
        <rect key={y} y={y} width={width} height="3.4" rx="1.7" />
      ))}
    </svg>
  );
}
