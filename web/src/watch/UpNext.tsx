import { useQuery } from '@tanstack/react-query';

import { queries } from '../api/queries';
import { VideoCard } from '../videos/VideoCard';

const COUNT = 6;

/** The newest other videos; nothing at all if there are none or they can't be had. */
export function UpNext({ currentId }: { currentId: string }) {
  const { data } = useQuery(queries.latest(1));
  const others = data?.data.filter((video) => video.id !== currentId).slice(0, COUNT) ?? [];
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
