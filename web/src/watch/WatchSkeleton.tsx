export function WatchSkeleton() {
  return (
    <div
      role="status"
      aria-label="Loading the video"
      className="page grid grid-cols-1 gap-10 max-md:px-0 md:pt-6 xl:grid-cols-[minmax(0,1fr)_20rem]"
    >
      <div>
        <div className="aspect-video max-h-[calc(100dvh-9rem)] w-full shimmer md:rounded-xl" />
        <div className="max-md:px-4">
          <div className="mt-6 h-8 w-3/5 shimmer rounded" />
          <div className="mt-3 h-4 w-2/5 shimmer rounded" />
        </div>
      </div>
    </div>
  );
}
