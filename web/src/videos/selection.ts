import { useState } from 'react';

/** What is chosen of a page. `anchor`: the last one that was chosen by itself. */
export interface Chosen {
  ids: ReadonlySet<string>;
  anchor: string | null;
}

export const NOTHING: Chosen = { ids: new Set(), anchor: null };

/** After a press on one; with `range`, all from the anchor to it become what it becomes. */
export function pressed(
  { ids, anchor }: Chosen,
  page: readonly string[],
  id: string,
  range: boolean,
): Chosen {
  const from = range && anchor !== null ? page.indexOf(anchor) : -1;
  const to = page.indexOf(id);
  const touched = from < 0 ? [id] : page.slice(Math.min(from, to), Math.max(from, to) + 1);
  const next = new Set(ids);
  for (const each of touched) {
    if (ids.has(id)) next.delete(each);
    else next.add(each);
  }
  return { ids: next, anchor: id };
}

export interface Selection {
  has: (id: string) => boolean;
  count: number;
  all: boolean;
  press: (id: string, range: boolean) => void;
  pressAll: () => void;
  keep: (ids: readonly string[]) => void;
}

/** `page`: the ids that are shown; what is no longer shown is not chosen. */
export function useSelection(page: readonly string[]): Selection {
  const [chosen, setChosen] = useState(NOTHING);
  const shown = page.filter((id) => chosen.ids.has(id));
  const all = shown.length > 0 && shown.length === page.length;
  return {
    has: (id) => chosen.ids.has(id),
    count: shown.length,
    all,
    press: (id, range) => setChosen((before) => pressed(before, page, id, range)),
    pressAll: () => setChosen(all ? NOTHING : { ids: new Set(page), anchor: null }),
    keep: (ids) => setChosen({ ids: new Set(ids), anchor: null }),
  };
}
