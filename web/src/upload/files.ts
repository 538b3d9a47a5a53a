import { MAX_TITLE } from '../videos/limits';

/** The endings of the containers that the API accepts (shared/containers.py). */
// prettier-ignore
const EXTENSIONS: readonly string[] = [
  'mp4', 'm4s', 'm4v', 'f4v', 'mov', 'qt', '3gp', '3g2', 'mj2', 'mjp2', 'mkv', 'mka', 'mk3d',
  'webm', 'avi', 'divx', 'flv', 'wmv', 'asf', 'wma', 'mpg', 'mpeg', 'vob', 'm2p', 'ts', 'm2ts',
  'mts', 'm2t', 'trp', 'ogv', 'ogm', 'mxf', 'dv', 'dif', 'gxf', 'rm', 'rmvb', 'ra', 'wtv', 'nut',
  'ivf', 'y4m', 'h264', '264', 'avc', 'h265', '265', 'hevc', 'm2v', 'm1v', 'mpv', 'm4e', 'mp4v',
  'dav', 'gif', 'apng', 'png', 'avif', 'avifs', 'heics', 'heifs', 'm4a', 'm4b', 'f4a', 'mp3', 'mp2', 'aac', 'adts', 'ogg', 'oga',
  'opus', 'spx', 'flac', 'wav', 'bwf', 'w64', 'aiff', 'aif', 'aifc', 'caf', 'au', 'snd', 'amr',
  'awb', 'ac3', 'eac3', 'ec3', 'dts', 'ape', 'wv',
];

export const ACCEPT = ['video/*', 'audio/*', ...EXTENSIONS.map((ending) => `.${ending}`)].join(',');

/** Why this file can't be a video, or null. The server looks inside; this only spares a detour. */
export function fileProblem(file: File): string | null {
  if (file.size === 0) return `“${file.name}” is empty.`;
  const extension = /\.([^.]+)$/.exec(file.name)?.[1]?.toLowerCase() ?? '';
  if (EXTENSIONS.includes(extension) || /^(video|audio)\//.test(file.type)) return null;
  return `“${file.name}” is not a video. Accepted are MP4, MOV, MKV, WebM, AVI and most other files of video or sound.`;
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
