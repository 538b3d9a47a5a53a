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
    state: { phase: 'draft' },
    attempt: 0,
  };
}
