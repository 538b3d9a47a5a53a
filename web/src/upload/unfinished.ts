import { api, done, unwrap } from '../api/client';
import type { Visibility } from '../api/models';
import type { components } from '../api/schema';
import type { UploadDetails } from './machine';

export type OpenUpload = components['schemas']['OpenUpload'];

export const UPLOADS = '/api/v1/uploads';

export const locationOf = (id: string): string => `${UPLOADS}/${id}`;

/** What the account has begun to upload, in this tab, in others and on other machines. */
export function openUploads(signal?: AbortSignal): Promise<OpenUpload[]> {
  return unwrap(api.GET(UPLOADS, { signal: signal ?? null }));
}

/** Whether an upload is of this very file, as far as a page may know. */
export function isOf(upload: OpenUpload, file: File): boolean {
  return (
    upload.size === file.size &&
    upload.details.filename === file.name &&
    upload.last_modified === String(file.lastModified)
  );
}

/** What was said of an upload before, as the form has it. */
export function detailsOf({ details }: OpenUpload, given: UploadDetails): UploadDetails {
  return {
    title: details.title ?? given.title,
    description: details.description,
    tags: details.tags,
    // The API's document has no list of its values where it may be missing.
    visibility: (details.visibility ?? null) as Visibility | null,
    publishAt: details.publish_at ?? null,
    keepHdr: details.hdr === 'keep',
    unasked: details,
  };
}

/** Says what the video will be. May be said again until the last byte has arrived. */
export async function describe(
  location: string,
  details: UploadDetails,
  signal?: AbortSignal,
): Promise<void> {
  await unwrap(
    api.PUT('/api/v1/uploads/{upload_id}/details', {
      params: { path: { upload_id: idOf(location) } },
      body: {
        ...details.unasked,
        title: details.title.trim(),
        // The file's name stays.
        filename: '',
        description: details.description,
        tags: [...details.tags],
        visibility: details.visibility,
        publish_at: details.publishAt,
        hdr: details.keepHdr ? 'keep' : details.unasked?.['hdr'] === 'drop' ? 'drop' : null,
      },
      signal: signal ?? null,
    }),
  );
}

/** Gives an upload up; its bytes are deleted. */
export async function removeUpload(id: string): Promise<void> {
  await done(
    api.DELETE('/api/v1/uploads/{upload_id}', {
      params: { path: { upload_id: id } },
      headers: { 'Tus-Resumable': '1.0.0' },
    }),
  );
}

export function idOf(location: string): string {
  return location.slice(location.lastIndexOf('/') + 1);
}
