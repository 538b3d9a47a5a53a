import { ChevronDown, Copy, Download } from 'lucide-react';
import { useDeferredValue, useId, useMemo, useState, useSyncExternalStore } from 'react';

import type { Video } from '../api/models';
import { bestCaptions, storedChoice } from '../player/captionChoice';
import { captionName } from '../player/captionName';
import { playerJumps } from '../player/jumps';
import { playerPosition } from '../player/position';
import { useCues } from '../player/useCues';
import { Button } from '../ui/Button';
import { useNotify } from '../ui/notifications';
import { fileName, lineAt, linesOf, linesWith, textOf } from './transcript';
import { TranscriptList } from './TranscriptList';

/** Beside the player there is room for it; below, it is opened. */
const BESIDE = '(min-width: 80rem)';

/** What is said in a film, to read beside it: it follows, is searched, and leads to its moments. */
export function Transcript({ video }: { video: Video }) {
  const [open, setOpen] = useState(() => window.matchMedia(BESIDE).matches);
  const id = useId();
  if (video.captions.length === 0) return null;
  return (
    <section aria-labelledby={`${id}-title`} className="max-md:px-4">
      <h2 id={`${id}-title`} className="text-lg font-bold">
        <button
          type="button"
          aria-expanded={open}
          aria-controls={id}
          onClick={() => setOpen(!open)}
          className="flex min-h-11 w-full items-center justify-between gap-3 rounded-lg text-start"
        >
          Transcript
          <ChevronDown
            className={`h-5 w-5 shrink-0 transition-transform ${open ? 'rotate-180' : ''}`}
            aria-hidden="true"
          />
        </button>
      </h2>
      <div id={id} hidden={!open}>
        {open && <Reading video={video} />}
      </div>
    </section>
  );
}

function Reading({ video }: { video: Video }) {
  const [language, setLanguage] = useState(storedChoice().language);
  const [query, setQuery] = useState('');
  const [following, setFollowing] = useState(true);
  const wanted = useDeferredValue(query);
  const track = bestCaptions(video.captions, language, navigator.languages);
  const cues = useCues(track?.url ?? null);
  const lines = useMemo(() => linesOf(cues), [cues]);
  const found = useMemo(() => linesWith(lines, wanted), [lines, wanted]);
  const seconds = useSyncExternalStore(playerPosition.subscribe, playerPosition.get);
  if (!track) return null;
  const [first] = found;
  const searching = wanted.trim() !== '';
  return (
    <>
      <div className="flex flex-wrap gap-2">
        <input
          type="search"
          aria-label="Search in the transcript"
          placeholder="Search"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && searching && first) playerJumps.to(first.start);
          }}
          className="h-11 min-w-0 flex-1 basis-32 rounded-lg border border-edge bg-surface px-3"
        />
        {video.captions.length > 1 && (
          <select
            aria-label="Language of the transcript"
            value={track.language}
            onChange={(event) => setLanguage(event.target.value)}
            className="h-11 max-w-full min-w-0 rounded-lg border border-edge bg-surface px-3"
          >
            {video.captions.map((each) => (
              <option key={each.language} value={each.language}>
                {captionName(each)}
              </option>
            ))}
          </select>
        )}
      </div>
      <p role="status" className="min-h-6 py-0.5 text-sm text-muted">
        {searching && (found.length === 1 ? '1 line' : `${found.length} lines`)}
      </p>
      <TranscriptList
        videoId={video.id}
        language={track.language}
        lines={found}
        present={lineAt(found, seconds)}
        following={following && !searching}
        onLeave={() => setFollowing(false)}
      />
      <div className="mt-2 flex flex-wrap gap-2">
        <Button
          size="sm"
          aria-pressed={following}
          onClick={() => setFollowing(!following)}
          className="aria-pressed:bg-sunken"
        >
          Follow the film
        </Button>
        <TakeAway text={textOf(lines)} name={fileName(video.title, track.language)} />
      </div>
    </>
  );
}

function TakeAway({ text, name }: { text: string; name: string }) {
  const notify = useNotify();
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => notify('The transcript is copied.'),
      () => notify('The browser doesn’t let it be copied.'),
    );
  };
  const download = () => {
    const url = URL.createObjectURL(new Blob([text], { type: 'text/plain;charset=utf-8' }));
    const link = Object.assign(document.createElement('a'), { href: url, download: name });
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <>
      <Button size="sm" aria-label="Copy the transcript" disabled={!text} onClick={copy}>
        <Copy className="h-4 w-4" aria-hidden="true" />
      </Button>
      <Button size="sm" aria-label="Download the transcript" disabled={!text} onClick={download}>
        <Download className="h-4 w-4" aria-hidden="true" />
      </Button>
    </>
  );
}
