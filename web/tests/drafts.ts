import type { UploadItem } from '../src/upload/machine';

/** An upload of this file that nobody has sent off yet. */
export function aDraft(file: File): UploadItem {
  return {
    id: 'a',
    file,
    details: {
      title: 'Clip',
      description: '',
      tags: [],
      visibility: null,
      publishAt: null,
      keepHdr: false,
    },
    submitted: false,
    state: { phase: 'queued', sentBytes: 0 },
    location: null,
    attempt: 0,
  };
}
