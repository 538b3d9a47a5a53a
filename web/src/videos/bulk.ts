import { ApiError, toApiError } from '../api/errors';
import type { Video, Visibility } from '../api/models';
import { addTags, changeVisibility, deleteVideo, removeTag, restoreVideo } from '../api/videos';

/** What became of one of several videos: null where it was done. */
export interface Outcome {
  video: Video;
  error: ApiError | null;
}

const AT_ONCE = 3;
const TRIES = 6;
const LONGEST_WAIT_SECONDS = 30;

interface Running {
  /** No other one is begun. */
  signal: AbortSignal;
  onDone: (done: number) => void;
  wait?: (seconds: number, signal: AbortSignal) => Promise<void>;
}

/**
 * One request for each video, a few at once: what is true of a single video then holds for each of
 * many, and none depends on another. What may pass by itself is asked again, as the server says.
 */
export async function forEach(
  videos: readonly Video[],
  task: (video: Video) => Promise<unknown>,
  { signal, onDone, wait = waitSeconds }: Running,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = videos.map((video) => ({ video, error: notBegun() }));
  const waiting = outcomes.values();
  let done = 0;
  const work = async () => {
    for (const outcome of waiting) {
      if (signal.aborted) return;
      outcome.error = await tried(() => task(outcome.video), signal, wait);
      onDone(++done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return outcomes;
}

async function tried(
  task: () => Promise<unknown>,
  signal: AbortSignal,
  wait: (seconds: number, signal: AbortSignal) => Promise<void>,
): Promise<ApiError | null> {
  for (let number = 1; ; number++) {
    try {
      await task();
      return null;
    } catch (thrown) {
      const error = toApiError(thrown);
      if (!error.isTemporary || number === TRIES) return error;
      await wait(Math.min(error.retryAfter ?? 2 ** (number - 1), LONGEST_WAIT_SECONDS), signal);
      if (signal.aborted) return error;
    }
  }
}

function notBegun(): ApiError {
  return new ApiError(0, 'stopped', 'It was not begun.');
}

/** Or until nobody wants to go on. */
function waitSeconds(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

export function setVisibility(visibility: Visibility) {
  return (video: Video) => changeVisibility(video.id, { visibility, publishAt: null });
}

/** Done, too, where a request before has done it and its answer was lost. */
export async function remove(video: Video): Promise<void> {
  await unless('video_not_found', () => deleteVideo(video.id));
}

/** Takes it out of the bin. */
export function restore({ id }: Video): Promise<void> {
  return restoreVideo(id);
}

export interface TagChange {
  added: readonly string[];
  removed: readonly string[];
}

export function changeTags({ added, removed }: TagChange) {
  return async (video: Video) => {
    const gone = video.tags.filter(({ name }) => removed.includes(name));
    for (const { name } of gone) await unless('tag_not_found', () => removeTag(video.id, name));
    if (added.length === 0) return;
    try {
      await addTags(video.id, added);
    } catch (thrown) {
      const error = toApiError(thrown);
      if (gone.length === 0 || error.isTemporary) throw error;
      const message = `Tags were removed, but none added: ${error.message}`;
      throw new ApiError(error.status, error.type, message);
    }
  };
}

async function unless(type: string, task: () => Promise<void>): Promise<void> {
  try {
    await task();
  } catch (error) {
    if (toApiError(error).type !== type) throw error;
  }
}

/** The tags of several videos, in order, each once. */
export function tagsOf(videos: readonly Video[]): string[] {
  const names = new Set(videos.flatMap(({ tags }) => tags.map(({ name }) => name)));
  return [...names].sort((a, b) => a.localeCompare(b));
}
