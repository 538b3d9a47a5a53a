import type { Captions } from '../api/models';
import { kept } from '../ui/kept';

export const SIZES = ['Small', 'Normal', 'Large'] as const;

/** How captions are shown: kept for the next film. */
export interface CaptionChoice {
  /** The language that was shown last; null before the first time. */
  language: string | null;
  on: boolean;
  /** An index of SIZES. */
  size: number;
  /** On a dark ground; else with an edge around the letters. */
  ground: boolean;
}

const KEY = 'cinelog.captions';
const FIRST: CaptionChoice = { language: null, on: false, size: 1, ground: true };

export function storedChoice(): CaptionChoice {
  try {
    const stored: unknown = JSON.parse(kept.get(KEY) ?? '{}');
    return stored && typeof stored === 'object' ? { ...FIRST, ...stored } : FIRST;
  } catch {
    return FIRST;
  }
}

export function keepChoice(choice: CaptionChoice): void {
  kept.set(KEY, JSON.stringify(choice));
}

/** What is shown of a film: the wanted language, the reader's, or the first; null where it is off. */
export function shownCaptions(
  tracks: readonly Captions[],
  choice: CaptionChoice,
  languages: readonly string[],
): Captions | null {
  return choice.on ? bestCaptions(tracks, choice.language, languages) : null;
}

export function bestCaptions(
  tracks: readonly Captions[],
  wanted: string | null,
  languages: readonly string[],
): Captions | null {
  for (const language of [...(wanted ? [wanted] : []), ...languages]) {
    const found =
      tracks.find((track) => track.language === language) ??
      tracks.find((track) => primary(track.language) === primary(language));
    if (found) return found;
  }
  return tracks[0] ?? null;
}

function primary(language: string): string {
  return language.split('-')[0] ?? language;
}
