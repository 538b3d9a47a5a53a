import { Search } from 'lucide-react';
import { type SyntheticEvent, useEffect, useState } from 'react';
import { useSearchParams } from 'react-router';

import { SelectField } from '../ui/SelectField';
import { useDebounced } from '../ui/useDebounced';
import { ownListFrom, SORTS, STATES, VISIBILITIES, withChoice } from './ownList';

const DEBOUNCE_MS = 250;
const ANY = [['', 'Any']] as const;

/** Sort, filters and search of one's own videos. What is chosen is in the address. */
export function OwnListControls() {
  const [params, setParams] = useSearchParams();
  const list = ownListFrom(params);
  const choose = (name: string) => (value: string) =>
    setParams(withChoice(params, name, value), { preventScrollReset: true });
  return (
    <div className="mb-6 grid grid-cols-2 gap-3 md:grid-cols-[minmax(0,1fr)_repeat(3,9.5rem)]">
      <SearchMine />
      <SelectField
        label="State"
        value={list.status ?? ''}
        options={[...ANY, ...STATES]}
        onChange={choose('status')}
      />
      <SelectField
        label="Visibility"
        value={list.visibility ?? ''}
        options={[...ANY, ...VISIBILITIES]}
        onChange={choose('visibility')}
      />
      <div className="max-md:col-span-2">
        <SelectField label="Sort by" value={list.sort} options={SORTS} onChange={choose('sort')} />
      </div>
    </div>
  );
}

/** Follows the address, and writes it while somebody types: one step back for a whole search. */
function SearchMine() {
  const [params, setParams] = useSearchParams();
  const shown = ownListFrom(params).q ?? '';
  const [text, setText] = useState(shown);
  const [followed, setFollowed] = useState(shown);
  const settled = useDebounced(text, DEBOUNCE_MS);

  if (followed !== shown) {
    setFollowed(shown);
    if (text.trim() !== shown) setText(shown);
  }

  const write = (value: string) =>
    setParams(withChoice(params, 'q', value.trim()), {
      replace: shown !== '',
      preventScrollReset: true,
    });
  useEffect(() => {
    if (settled === text && settled.trim() !== shown) write(settled);
    // Only when typing has settled: the address may change for other reasons.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [settled]);

  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (text.trim() !== shown) write(text);
  };
  return (
    <form onSubmit={submit} role="search" className="col-span-2 min-w-0 md:col-span-1">
      <label className="block">
        <span className="mb-1.5 block text-sm font-semibold">Search my videos</span>
        <span className="relative block">
          <Search
            className="pointer-events-none absolute top-1/2 left-3 h-4 w-4 -translate-y-1/2 text-muted"
            aria-hidden="true"
          />
          <input
            type="search"
            dir="auto"
            autoComplete="off"
            maxLength={200}
            value={text}
            onChange={(event) => setText(event.target.value)}
            className="h-11 w-full rounded-lg border border-edge bg-surface pr-3 pl-9 text-base text-ink"
          />
        </span>
      </label>
    </form>
  );
}
