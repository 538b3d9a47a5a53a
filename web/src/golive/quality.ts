/** What a publisher sends at most. */
export interface SendQuality {
  id: string;
  label: string;
  height: number;
  bitsPerSecond: number;
}

export const QUALITIES = [
  { id: '480', label: '480p, for weak networks', height: 480, bitsPerSecond: 1_200_000 },
  { id: '720', label: '720p', height: 720, bitsPerSecond: 2_500_000 },
  { id: '1080', label: '1080p', height: 1080, bitsPerSecond: 4_500_000 },
] as const satisfies readonly SendQuality[];

export const DEFAULT_QUALITY: SendQuality = QUALITIES[1];

export function qualityOf(id: string): SendQuality {
  return QUALITIES.find((quality) => quality.id === id) ?? DEFAULT_QUALITY;
}
