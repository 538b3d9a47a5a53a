import { useQueryClient } from '@tanstack/react-query';

import type { Video } from '../api/models';
import { queries } from '../api/queries';
import { countOf } from '../format/count';
import { useNotify } from '../ui/notifications';
import { isBinned } from './bin';
import { forEach, restore } from './bulk';

/** What a message about a deletion offers; nothing where it cannot be undone. */
export function useUndo() {
  const client = useQueryClient();
  const notify = useNotify();

  const run = async (videos: readonly Video[]) => {
    const outcomes = await forEach(videos, restore, {
      signal: new AbortController().signal,
      onDone: () => undefined,
    });
    const failed = outcomes.filter(({ error }) => error !== null);
    await client.invalidateQueries({ queryKey: ['videos'] });
    if (failed.length === 0) {
      notify(videos.length === 1 ? 'The video is back.' : 'The videos are back.');
    } else {
      notify(`${countOf(failed.length, 'video')} could not be taken back. Look into the bin.`);
    }
  };

  return (deleted: readonly Video[]) => {
    const days = client.getQueryData(queries.bin(1).queryKey)?.days ?? 0;
    const videos = deleted.filter((video) => isBinned(video, days));
    if (videos.length === 0) return undefined;
    return { label: 'Undo', onPress: () => void run(videos) };
  };
}
