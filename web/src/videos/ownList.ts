import type { Video, Visibility } from '../api/models';

export const SORTS = [
  ['newest', 'Newest'],
  ['oldest', 'Oldest'],
  ['title', 'Title'],
  ['longest', 'Longest'],
  ['views', 'Most viewed'],
] as const;

export const STATES = [
  ['ready', 'Ready'],
  ['processing', 'Processing'],
  ['live', 'Live'],
  ['failed', 'Failed'],
] as const;

export const VISIBILITIES = [
  ['public', 'Public'],
  ['unlisted', 'Unlisted'],
  ['private', 'Private'],
  ['draft', 'Draft'],
] as const;

export type Sort = (typeof SORTS)[number][0];

/** Which of one's own videos are listed, and how. The address has it, so that Back works. */
export interface OwnList {
  sort: Sort;
  status?: Video['status'];
  visibility?: Visibility;
  q?: string;
}

const LONGEST_QUERY = 200;

/** What the address says; what it cannot mean is left out. */
export function ownListFrom(params: URLSearchParams): OwnList {
  const status = known(STATES, params.get('status'));
  const visibility = known(VISIBILITIES, params.get('visibility'));
  const q = (params.get('q') ?? '').trim().slice(0, LONGEST_QUERY);
  return {
    sort: known(SORTS, params.get('sort')) ?? 'newest',
    ...(status && { status }),
    ...(visibility && { visibility }),
    ...(q !== '' && { q }),
  };
}

export function isNarrowed({ status, visibility, q }: OwnList): boolean {
  return status !== undefined || visibility !== undefined || q !== undefined;
}

/** The address with another value, from the first page on. */
export function withChoice(params: URLSearchParams, name: string, value: string): URLSearchParams {
  const next = new URLSearchParams(params);
  next.delete('page');
  if (value === '' || (name === 'sort' && value === 'newest')) next.delete(name);
  else next.set(name, value);
  return next;
}

function known<T extends string>(
  choices: readonly (readonly [T, string])[],
  value: string | null,
): T | undefined {
  return choices.find(([choice]) => choice === value)?.[0];
}
