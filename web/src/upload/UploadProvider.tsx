import { useQueryClient } from '@tanstack/react-query';
import {
  createContext,
  type ReactNode,
  use,
  useEffect,
  useState,
  useSyncExternalStore,
} from 'react';

import { randomId } from '../api/intent';
import { queries } from '../api/queries';
import { session } from '../auth/session';
import { isUnfinished, type UploadItem } from './machine';
import { UploadQueue } from './queue';
import { sendFile } from './tus';
import { describe, idOf, removeUpload } from './unfinished';

const QueueContext = createContext<UploadQueue | null>(null);

export function UploadProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [queue] = useState(
    () =>
      new UploadQueue({
        send: async (...upload) => {
          const jobId = await sendFile(...upload);
          void client.invalidateQueries(queries.openUploads());
          void client.invalidateQueries({ queryKey: ['videos'] });
          void client.invalidateQueries(queries.usage());
          return jobId;
        },
        describe,
        remove: (location) => removeUpload(idOf(location)),
        newId: randomId,
        now: () => performance.now(),
      }),
  );

  useEffect(
    () =>
      session.subscribe((next) => {
        if (!next) queue.clear();
      }),
    [queue],
  );
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (queue.items.some(isUnfinished)) event.preventDefault();
    };
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [queue]);

  return <QueueContext value={queue}>{children}</QueueContext>;
}

export function useUploadQueue(): UploadQueue {
  const queue = use(QueueContext);
  if (!queue) throw new Error('useUploadQueue needs an UploadProvider');
  return queue;
}

export function useUploads(): readonly UploadItem[] {
  const queue = useUploadQueue();
  return useSyncExternalStore(
    (changed) => queue.subscribe(changed),
    () => queue.items,
  );
}
