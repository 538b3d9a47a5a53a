import { VideoGridSkeleton } from '../videos/VideoGridSkeleton';

export function PageSkeleton() {
  return (
    <main className="page py-24">
      <h1 className="sr-only">Cinelog</h1>
      <div role="status" aria-label="Loading">
        <VideoGridSkeleton />
      </div>
    </main>
  );
}
