/** A sound track that can be chosen; `track` is the player's own number for it. */
export interface Sound {
  track: number;
  label: string;
}

interface TrackFacts {
  id: number;
  name: string;
  lang?: string | undefined;
}

/** Tracks by the names of their languages, as the viewer's browser says them. */
export function soundsOf(tracks: readonly TrackFacts[]): Sound[] {
  const named = tracks.map(({ id, name, lang }) => ({
    track: id,
    name,
    label: languageOf(lang) ?? name,
  }));
  // Two of one language are told apart by what the film calls them.
  return named.map(({ track, name, label }) => {
    const shared = named.filter((other) => other.label === label).length > 1;
    return { track, label: shared && name !== label ? `${label} (${name})` : label };
  });
}

function languageOf(code: string | undefined): string | undefined {
  // Undetermined, none, several, and codes that are none.
  if (!code || ['und', 'zxx', 'mul', 'mis'].includes(code)) return undefined;
  try {
    return new Intl.DisplayNames([navigator.language], { type: 'language', fallback: 'none' }).of(
      code,
    );
  } catch {
    return undefined;
  }
}
