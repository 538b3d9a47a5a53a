import { keepPreviousData, queryOptions } from '@tanstack/react-query';

import type { OwnList } from '../videos/ownList';
import { api, unwrap } from './client';

/** Fills whole rows of the grid, whatever its width. */
export const PAGE_SIZE = 12;
/** What is worked on together. */
const OWN_PAGE_SIZE = 24;

const LIVES_SHOWN = 8;
const LIVES_MS = 5_000;
const UPCOMING_SHOWN = 5;
const UPCOMING_MS = 60_000;

/** Query parameters are text to the API, also where they are numbers. */
const paging = (page: number, size: number) => ({
  page: String(page),
  page_size: String(size),
});

/** Every query the client makes: its key and how to fetch it, in one place. */
export const queries = {
  /** One more than the rest: the first is shown large. */
  latest: (page: number) =>
    queryOptions({
      queryKey: ['videos', 'latest', page],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/streaming/latest', {
            params: { query: paging(page, PAGE_SIZE + 1) },
            signal,
          }),
        ),
      placeholderData: keepPreviousData,
    }),

  /** Running lives of everybody, or of one user. They are looked for again and again. */
  livesNow: (userId: string | null) =>
    queryOptions({
      queryKey: ['lives', userId],
      queryFn: ({ signal }) => {
        const query = { ...paging(1, LIVES_SHOWN), live: true };
        return unwrap(
          userId === null
            ? api.GET('/api/v1/streaming/latest', { params: { query }, signal })
            : api.GET('/api/v1/users/{user_id}/videos', {
                params: { path: { user_id: userId }, query },
                signal,
              }),
        );
      },
      refetchInterval: LIVES_MS,
    }),

  /** Planned lives of everybody, or of one user. */
  upcoming: (userId: string | null) =>
    queryOptions({
      queryKey: ['upcoming', userId],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/live/planned', {
            params: {
              query: { limit: UPCOMING_SHOWN, ...(userId === null ? {} : { user_id: userId }) },
            },
            signal,
          }),
        ),
      refetchInterval: UPCOMING_MS,
    }),

  planned: (id: string) =>
    queryOptions({
      queryKey: ['planned', id],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/live/planned/{planned_id}', {
            params: { path: { planned_id: id } },
            signal,
          }),
        ),
    }),

  search: (q: string, page: number) =>
    queryOptions({
      queryKey: ['videos', 'search', q, page],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/streaming/search', {
            params: { query: { q, ...paging(page, PAGE_SIZE) } },
            signal,
          }),
        ),
      enabled: q !== '',
      placeholderData: keepPreviousData,
    }),

  tagged: (tag: string, page: number) =>
    queryOptions({
      queryKey: ['videos', 'tag', tag, page],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/tags/{tag}/videos', {
            params: { path: { tag }, query: paging(page, PAGE_SIZE) },
            signal,
          }),
        ),
      placeholderData: keepPreviousData,
    }),

  video: (id: string) =>
    queryOptions({
      queryKey: ['video', id],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/streaming/id/{video_id}', {
            params: { path: { video_id: id } },
            signal,
          }),
        ),
    }),

  job: (id: string) =>
    queryOptions({
      queryKey: ['job', id],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/jobs/{job_id}', { params: { path: { job_id: id } }, signal })),
    }),

  timeline: (id: string) =>
    queryOptions({
      queryKey: ['timeline', id],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/videos/{video_id}/timeline', {
            params: { path: { video_id: id } },
            signal,
          }),
        ),
    }),

  tags: () =>
    queryOptions({
      queryKey: ['tags'],
      queryFn: ({ signal }) => unwrap(api.GET('/api/v1/tags', { signal })),
    }),

  channel: (username: string) =>
    queryOptions({
      queryKey: ['channel', username],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/users/username/{username}', { params: { path: { username } }, signal }),
        ),
    }),

  userVideos: (userId: string, page: number) =>
    queryOptions({
      queryKey: ['videos', 'user', userId, page],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/users/{user_id}/videos', {
            params: { path: { user_id: userId }, query: paging(page, PAGE_SIZE) },
            signal,
          }),
        ),
      placeholderData: keepPreviousData,
    }),

  ownVideos: (list: OwnList, page: number) =>
    queryOptions({
      queryKey: ['videos', 'own', list, page],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/users/me/videos', {
            params: { query: { ...list, ...paging(page, OWN_PAGE_SIZE) } },
            signal,
          }),
        ),
      placeholderData: keepPreviousData,
    }),

  bin: (page: number) =>
    queryOptions({
      queryKey: ['videos', 'bin', page],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/users/me/bin', {
            params: { query: paging(page, OWN_PAGE_SIZE) },
            signal,
          }),
        ),
      placeholderData: keepPreviousData,
    }),

  liveStreams: () =>
    queryOptions({
      queryKey: ['live'],
      queryFn: ({ signal }) => unwrap(api.GET('/api/v1/live/streams', { signal })),
    }),

  liveStream: (id: string) =>
    queryOptions({
      queryKey: ['live', id],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/live/streams/{live_id}', { params: { path: { live_id: id } }, signal }),
        ),
    }),

  liveHealth: (id: string) =>
    queryOptions({
      queryKey: ['live', id, 'health'],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/live/streams/{live_id}/health', {
            params: { path: { live_id: id } },
            signal,
          }),
        ),
    }),

  sessions: () =>
    queryOptions({
      queryKey: ['sessions'],
      queryFn: ({ signal }) => unwrap(api.GET('/api/v1/users/me/sessions', { signal })),
    }),

  usage: () =>
    queryOptions({
      queryKey: ['usage'],
      queryFn: ({ signal }) => unwrap(api.GET('/api/v1/users/me/usage', { signal })),
    }),

  openUploads: () =>
    queryOptions({
      queryKey: ['openUploads'],
      queryFn: ({ signal }) => unwrap(api.GET('/api/v1/uploads', { signal })),
    }),

  me: () =>
    queryOptions({
      queryKey: ['me'],
      queryFn: ({ signal }) => unwrap(api.GET('/api/v1/users/me', { signal })),
      staleTime: 5 * 60_000,
    }),
};
