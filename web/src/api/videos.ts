import { api, unwrap } from './client';
import type { Publication } from '../videos/publication';
import type { Captions, Downloads, Video } from './models';

export async function editVideo(id: string, title: string, description: string): Promise<Video> {
  return unwrap(
    api.PUT('/api/v1/streaming/{video_id}', {
      params: { path: { video_id: id } },
      body: { title, description },
    }),
  );
}

export async function changeVisibility(
  id: string,
  { visibility, publishAt }: Publication,
): Promise<Video> {
  return unwrap(
    api.PATCH('/api/v1/streaming/{video_id}/visibility', {
      params: { path: { video_id: id } },
      body: publishAt === null ? { visibility } : { visibility, publish_at: publishAt },
    }),
  );
}

export async function changeDownloads(id: string, downloads: Downloads): Promise<Video> {
  return unwrap(
    api.PATCH('/api/v1/streaming/{video_id}/downloads', {
      params: { path: { video_id: id } },
      body: { downloads },
    }),
  );
}

export async function deleteVideo(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/v1/streaming/{video_id}', { params: { path: { video_id: id } } }));
}

export async function restoreVideo(id: string): Promise<void> {
  await unwrap(
    api.POST('/api/v1/users/me/bin/{video_id}/restore', { params: { path: { video_id: id } } }),
  );
}

/** Only what is in the bin. */
export async function deleteForGood(id: string): Promise<void> {
  await unwrap(
    api.DELETE('/api/v1/users/me/bin/{video_id}', { params: { path: { video_id: id } } }),
  );
}

export async function countView(id: string): Promise<Video> {
  return unwrap(
    api.PATCH('/api/v1/streaming/views/{video_id}', { params: { path: { video_id: id } } }),
  );
}

export async function addTags(id: string, tags: readonly string[]): Promise<void> {
  await unwrap(
    api.POST('/api/v1/tags/{video_id}', {
      params: { path: { video_id: id } },
      body: { tags: [...tags] },
    }),
  );
}

export async function removeTag(id: string, tag: string): Promise<void> {
  await unwrap(
    api.DELETE('/api/v1/tags/{video_id}', { params: { path: { video_id: id } }, body: { tag } }),
  );
}

export async function storeCaptions(
  id: string,
  language: string,
  file: { text: string; label: string; kind: Captions['kind'] },
): Promise<Captions> {
  return unwrap(
    api.PUT('/api/v1/videos/{video_id}/captions/{language}', {
      params: { path: { video_id: id, language } },
      body: file,
    }),
  );
}

export async function removeCaptions(id: string, language: string): Promise<void> {
  await unwrap(
    api.DELETE('/api/v1/videos/{video_id}/captions/{language}', {
      params: { path: { video_id: id, language } },
    }),
  );
}

export async function cancelJob(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/v1/jobs/{job_id}', { params: { path: { job_id: id } } }));
}

export async function retryJob(id: string): Promise<void> {
  await unwrap(api.POST('/api/v1/jobs/{job_id}/retry', { params: { path: { job_id: id } } }));
}
