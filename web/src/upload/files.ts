import { MAX_TITLE } from '../videos/limits';

/** The containers that the API accepts, by the endings that files of them have. */
const EXTENSIONS = [
  'mp4',
  'm4v',
  'mov',
  'mkv',
  'webm',
  'avi',
  'flv',
  'wmv',
  'mpeg',
  'mpg',
  'ts',
  'm2ts',
  'mts',
  '3gp',
  'ogv',
] as const;

export const ACCEPT = ['video/*', ...EXTENSIONS.map((extension) => `.${extension}`)].join(',');

/** Why this file can't be a video, or null. The server looks inside; this only spares a detour. */
export function fileProblem(file: File): string | null {
  if (file.size === 0) return `“${file.name}” is empty.`;
  const extension = /\.([^.]+)$/.exec(file.name)?.[1]?.toLowerCase() ?? '';
  const known = (EXTENSIONS as readonly string[]).includes(extension);
  if (known || file.type.startsWith('video/')) return null;
  return `“${file.name}” is not a video. Accepted are MP4, MOV, MKV, WebM, AVI and other video files.`;
}

/** "my_holiday-2024.final.mp4" → "my holiday 2024 final". */
export function titleFromName(name: string): string {
  const title = name
    .replace(/\.[^.]+$/, '')
    .replaceAll(/[_.-]+/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return Array.from(title || 'Untitled')
    .slice(0, MAX_TITLE)
    .join('');
}
