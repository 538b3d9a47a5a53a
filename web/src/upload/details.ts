import type { Visibility } from '../api/models';
import { publishAtProblem } from '../videos/publication';
import type { UploadDetails } from './machine';

export interface DetailsProblems {
  title: string | null;
  time: string | null;
}

/** What keeps an upload from being a video, by field. `usual`: the account's visibility. */
export function detailsProblems(
  details: UploadDetails,
  usual: Visibility,
  now: number,
): DetailsProblems {
  const publication = {
    visibility: details.visibility ?? usual,
    publishAt: details.publishAt,
  };
  return {
    title: details.title.trim() === '' ? 'A video needs a title.' : null,
    time: publishAtProblem(publication, now),
  };
}

export const isComplete = ({ title, time }: DetailsProblems): boolean =>
  title === null && time === null;
