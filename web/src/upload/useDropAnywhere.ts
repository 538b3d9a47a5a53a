import { useLayoutEffect } from 'react';
import { useNavigate } from 'react-router';

import { useSession } from '../auth/AuthProvider';
import { useNotify } from '../ui/notifications';
import { useUploadQueue } from './UploadProvider';

/** Files may be dropped on every page; beside a drop zone the browser would open them. */
export function useDropAnywhere(): void {
  const queue = useUploadQueue();
  const signedIn = useSession() !== null;
  const notify = useNotify();
  const navigate = useNavigate();
  // Before the page can be seen, so that nothing is dropped on one that does not listen yet.
  useLayoutEffect(() => {
    // Pictures of the page are files to browsers, too.
    let ours = false;
    const onDragStart = () => (ours = true);
    const onDragEnd = () => (ours = false);
    const bringsFiles = (event: DragEvent) =>
      !event.defaultPrevented && !ours && (event.dataTransfer?.types.includes('Files') ?? false);
    const onDragOver = (event: DragEvent) => {
      if (bringsFiles(event)) event.preventDefault();
    };
    const onDrop = (event: DragEvent) => {
      if (!bringsFiles(event)) return;
      event.preventDefault();
      if (signedIn) {
        const problems = queue.add(Array.from(event.dataTransfer?.files ?? []));
        if (problems.length > 0) notify(problems.join(' '));
      }
      void navigate(signedIn ? '/upload' : '/login?next=%2Fupload');
    };
    const listening = new AbortController();
    const { signal } = listening;
    document.addEventListener('dragstart', onDragStart, { signal });
    document.addEventListener('dragend', onDragEnd, { signal });
    document.addEventListener('dragover', onDragOver, { signal });
    document.addEventListener('drop', onDrop, { signal });
    return () => listening.abort();
  }, [queue, signedIn, notify, navigate]);
}
