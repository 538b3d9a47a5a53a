import { newUpload, type UploadItem } from '../src/upload/machine';

/** An upload of this file that nobody has sent off yet. */
export function aDraft(file: File): UploadItem {
  const item = newUpload('a', file);
  return { ...item, details: { ...item.details, title: 'Clip' } };
}

/** What a page has said of a file that was begun, as the server lists it. */
export const SAID = {
  title: 'A walk',
  description: 'Hills',
  filename: 'walk.mp4',
  tags: ['a'],
  visibility: 'private',
  publish_at: null,
  hdr: null,
  downloads: 'anyone',
};

/** An upload as the server lists it. */
export function anOpenUpload(changes: object) {
  return {
    id: '0198f0aa-0000-7000-8000-000000000001',
    details: SAID,
    last_modified: '5',
    size: 4,
    received: 0,
    created_at: '2026-11-28T00:00:00Z',
    expires_at: '2026-11-29T00:00:00Z',
    ...changes,
  };
}
