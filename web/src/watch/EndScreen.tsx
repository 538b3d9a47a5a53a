import { useCallback, useEffect, useState } from 'react';
import { useNavigate } from 'react-router';

import type { Video } from '../api/models';
import { playsNext } from '../player/preferences';
import { Button } from '../ui/Button';

const WAIT_SECONDS = 8;

/** What comes after a film: the next one by itself, unless somebody says no or does something else. */
export function EndScreen({ next }: { next: Video }) {
  const navigate = useNavigate();
  const [left, setLeft] = useState(() => (playsNext.get() ? WAIT_SECONDS : null));
  const waiting = left !== null;
  const to = `/watch/${next.id}`;
  const play = useCallback(() => void navigate(to, { state: { play: true } }), [navigate, to]);
  useEffect(() => {
    if (!waiting) return;
    const timer = setInterval(
      () =>
        setLeft((seconds) => (seconds === null || isBusy() ? seconds : Math.max(0, seconds - 1))),
      1_000,
    );
    return () => clearInterval(timer);
  }, [waiting]);
  useEffect(() => {
    if (left === 0) play();
  }, [left, play]);
  const choose = (on: boolean) => {
    playsNext.set(on);
    setLeft(on ? WAIT_SECONDS : null);
  };
  return (
    <section
      aria-label="Next video"
      className="absolute inset-0 flex flex-col items-center justify-center gap-3 bg-black/80 p-4 pb-16 text-center text-white"
    >
      <p className="text-sm text-white/80">
        {left === null ? 'Next' : `Next in ${left} s`}
        {/* Every second of it would be read aloud. */}
        {left !== null && (
          <span role="status" className="sr-only">
            The next video begins in a few seconds.
          </span>
        )}
      </p>
      <p dir="auto" className="line-clamp-2 max-w-prose text-lg font-bold">
        {next.title}
      </p>
      <div className="flex flex-wrap justify-center gap-3">
        <Button size="sm" variant="primary" onClick={play}>
          Play now
        </Button>
        {left !== null && (
          <Button
            size="sm"
            className="border-white/40 bg-transparent text-white"
            onClick={() => setLeft(null)}
          >
            Cancel
          </Button>
        )}
      </div>
      <label className="flex min-h-11 cursor-pointer items-center gap-2 text-sm">
        <input
          type="checkbox"
          className="h-4 w-4 accent-(--accent)"
          checked={playsNext.get()}
          onChange={(event) => choose(event.target.checked)}
        />
        Play the next one by itself
      </label>
    </section>
  );
}

/** Somebody writes, or reads a dialog. */
function isBusy(): boolean {
  return (
    document.querySelector('dialog[open]') !== null ||
    document.activeElement?.closest('input:not([type=checkbox]), textarea, [contenteditable]') !=
      null
  );
}
