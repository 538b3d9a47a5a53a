import { VideoGridSkeleton } from '../videos/VideoGridSkeleton';

export function PageSkeleton() {
  return (
    <div className="page py-24" role="status" aria-label="Loading">
      <VideoGridSkeleton />
    </div>
  );
}
