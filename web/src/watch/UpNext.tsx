import { VideoCard } from '../videos/VideoCard';
import { useOthers } from './newest';

/** The newest other videos; nothing at all if there are none or they can't be had. */
export function UpNext({ currentId }: { currentId: string }) {
  const others = useOthers(currentId);
  if (others.length === 0) return null;
  return (
    <aside aria-labelledby="up-next" className="max-md:px-4">
      <h2 id="up-next" className="mb-4 text-lg font-bold">
        Newest
      </h2>
      <ul className="grid grid-cols-1 gap-x-5 gap-y-7 sm:grid-cols-2 md:grid-cols-3 xl:grid-cols-1">
        {others.map((video) => (
          <li key={video.id}>
            <VideoCard video={video} heading="h3" />
          </li>
        ))}
      </ul>
    </aside>
  );
}
