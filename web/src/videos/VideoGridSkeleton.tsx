import { PAGE_SIZE } from '../api/queries';

export const GRID = 'grid grid-cols-1 gap-x-5 gap-y-9 sm:grid-cols-2 lg:grid-cols-3 xl:grid-cols-4';

/** Grey frames where the videos will be. */
export function VideoGridSkeleton({ count = PAGE_SIZE }: { count?: number }) {
  return (
    <div className={GRID} aria-hidden="true">
      {Array.from({ length: count }, (_, index) => (
        <div key={index}>
          <div className="aspect-video shimmer rounded-frame" />
          <div className="mt-3 h-4 w-4/5 shimmer rounded" />
          <div className="mt-2 h-3.5 w-2/5 shimmer rounded" />
        </div>
      ))}
    </div>
  );
}
