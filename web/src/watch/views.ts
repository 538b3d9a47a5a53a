import { keptForTab } from '../ui/kept';

const KEY = 'cinelog.viewed';

/** True the first time it is asked about a video in this tab's session; a reload is no new view. */
export function firstViewOfSession(videoId: string): boolean {
  const viewed = (keptForTab.get(KEY) ?? '').split(' ');
  if (viewed.includes(videoId)) return false;
  keptForTab.set(KEY, [...viewed, videoId].join(' ').trim());
  return true;
}
