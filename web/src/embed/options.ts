import type { Opening } from '../player/Player';
import { parseStart } from '../player/startTime';

/** How a player begins, as its address says. Browsers let a film begin by itself only without sound. */
export function readOptions(search: string): Opening {
  const query = new URLSearchParams(search);
  const on = (name: string) => ['', '1', 'true'].includes(query.get(name) ?? '0');
  const autoplay = on('autoplay');
  return {
    start: parseStart(query.get('t')),
    autoplay,
    muted: autoplay || on('muted'),
    loop: on('loop'),
  };
}

function optionsQuery({ start, autoplay, muted, loop }: Opening): string {
  const query = new URLSearchParams();
  if (start > 0) query.set('t', String(Math.floor(start)));
  if (autoplay) query.set('autoplay', '1');
  else if (muted) query.set('muted', '1');
  if (loop) query.set('loop', '1');
  const text = query.toString();
  return text && `?${text}`;
}

interface Embedded {
  id: string;
  title: string;
  width: number | null;
  height: number | null;
}

const LONG_SIDE = 640;

/** The code that shows a film's player on another page. */
export function embedCode(video: Embedded, options: Opening, origin: string): string {
  const { width, height } = sizeOf(video);
  const frame = document.createElement('iframe');
  const values = {
    src: `${origin}/embed/${video.id}${optionsQuery(options)}`,
    width: String(width),
    height: String(height),
    title: video.title,
    allow: 'autoplay; fullscreen; picture-in-picture',
    loading: 'lazy',
    style: 'border:0',
  };
  for (const [name, value] of Object.entries(values)) frame.setAttribute(name, value);
  return frame.outerHTML;
}

function sizeOf({ width, height }: Embedded): { width: number; height: number } {
  const [across, down] = width && height ? [width, height] : [16, 9];
  const scale = LONG_SIDE / Math.max(across, down);
  return { width: Math.round(across * scale), height: Math.round(down * scale) };
}
