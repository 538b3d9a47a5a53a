import { cx } from './cx';

const FRAMES = 24;

interface FrameStripProps {
  /** 0–100. */
  percent: number;
  label: string;
  className?: string;
}

/** Progress as a strip of film whose frames are exposed one by one. */
export function FrameStrip({ percent, label, className }: FrameStripProps) {
  const value = Math.round(Math.min(100, Math.max(0, percent)));
  const exposed = (value / 100) * FRAMES;
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuenow={value}
      aria-valuemin={0}
      aria-valuemax={100}
      className={cx('flex gap-[3px]', className)}
    >
      {Array.from({ length: FRAMES }, (_, frame) => (
        <span
          key={frame}
          className={cx(
            'h-3 flex-1 rounded-[2px] transition-colors duration-500',
            frame + 1 <= exposed ? 'bg-accent' : frame < exposed ? 'bg-accent/55' : 'bg-line',
          )}
        />
      ))}
    </div>
  );
}
