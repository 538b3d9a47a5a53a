import { Play } from 'lucide-react';
import { type ReactNode, type RefObject, useEffect, useId, useMemo, useRef, useState } from 'react';

import type { Captions, Chapter } from '../api/models';
import { Button } from '../ui/Button';
import { cx } from '../ui/cx';
import { Spinner } from '../ui/Spinner';
import { type PlayerActions, playerActions } from './actions';
import { playerPosition } from './position';
import { CaptionOverlay } from './CaptionOverlay';
import type { Kind } from './attachHls';
import { Controls } from './Controls';
import { playerJumps } from './jumps';
import { ShortcutHelp } from './ShortcutHelp';
import { Statistics } from './Statistics';
import { useCaptions } from './useCaptions';
import { useHls } from './useHls';
import { useIdle } from './useIdle';
import { useMediaSession } from './useMediaSession';
import { useMediaState } from './useMediaState';
import { usePlayerKeys } from './usePlayerKeys';
import { usePlayerView } from './usePlayerView';
import { usePreferences } from './preferences';
import { useRemote } from './useRemote';
import { useTaps } from './useTaps';

/** How a film begins. */
export interface Opening {
  /** Seconds. */
  start: number;
  autoplay: boolean;
  muted: boolean;
  loop: boolean;
}

interface PlayerProps {
  src: string;
  kind: Kind;
  title: string;
  /** Who made it. */
  by: string;
  poster: string;
  storyboardUrl: string | null;
  chapters: readonly Chapter[];
  captions: readonly Captions[];
  /** Width ÷ height of the picture. */
  aspectRatio: number;
  /** Known length in seconds, for while the playlist is still growing. */
  knownDuration: number;
  /** When a live has begun, in seconds since 1970. */
  liveSince?: number;
  /** Called once, when someone has really begun to watch. */
  onWatched: () => void;
  onEnded?: () => void;
  /** Where it is played, in seconds, while it is. */
  onPosition?: ((seconds: number) => void) | undefined;
  onTheatre?: (() => void) | undefined;
  /** What is shown when a film is over. */
  after?: ReactNode;
  opening: Opening;
  /** Takes the whole window instead of a place in a page. */
  fill: boolean;
}

/** Seconds of moving picture that count as watching. */
const WATCHED_SECONDS = 2;

export function Player(props: PlayerProps) {
  const frame = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const stream = useHls(video, props.src, props.kind, props.liveSince ?? 0, props.opening);
  const media = useMediaState(video);
  const length = useRef(props.knownDuration);
  useEffect(() => {
    length.current = props.knownDuration;
  }, [props.knownDuration]);
  // The actions read the refs when they are called, never while drawing.
  // eslint-disable-next-line react-hooks/refs
  const [onMedia] = useState(() => playerActions(video, frame, stream, () => length.current));
  const { idle, stir } = useIdle();
  const view = usePlayerView(props.opening.loop, props.onTheatre);
  const remote = useRemote(video);
  const captions = useCaptions(props.captions);
  const { toggle: toggleCaptions } = captions;
  const actions = useMemo(() => ({ ...onMedia, toggleCaptions }), [onMedia, toggleCaptions]);
  usePlayerKeys(video, frame, actions, view);
  usePreferences(video, props.opening, props.kind === 'live');
  useMediaSession(props, actions, media.begun);
  const { onPosition } = props;
  useEffect(() => {
    if (!media.paused && !media.ended) onPosition?.(media.currentTime);
  }, [media.currentTime, media.paused, media.ended, onPosition]);
  useEffect(() => playerPosition.set(media.currentTime), [media.currentTime]);
  useJumps(frame, actions);
  useWatched(media.currentTime, !media.paused, props.onWatched);

  const hidden = idle && !media.paused && !media.waiting;
  const taps = useTaps(actions, hidden);
  // A live is at its edge, and a film that was a live where that was, before anyone plays it.
  const untouched = media.paused && !media.begun;
  const descriptionId = useId();
  return (
    // The listeners only show the controls again; everything to operate is a control inside.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      ref={frame}
      role="region"
      aria-label={`Player: ${props.title}`}
      aria-describedby={descriptionId}
      data-idle={hidden}
      className={cx(
        'player group/player [container-type:size] relative flex w-full scroll-mt-20 items-center justify-center overflow-hidden bg-black',
        props.fill ? 'h-full' : 'max-h-[calc(100dvh-9rem)] md:rounded-xl',
      )}
      style={props.fill ? undefined : { aspectRatio: String(Math.max(props.aspectRatio, 4 / 3)) }}
      onPointerMove={stir}
      onPointerDown={stir}
      onKeyDown={stir}
      onFocus={stir}
    >
      <p id={descriptionId} className="sr-only">
        Space plays and pauses, the arrow keys seek, F is full screen, C shows captions, ? shows all
        keys.
      </p>
      {/* Captions are drawn over the picture, where the controls do not hide them. */}
      {/* eslint-disable-next-line jsx-a11y/media-has-caption */}
      <video
        ref={video}
        playsInline
        muted={props.opening.muted}
        loop={view.loop}
        poster={props.poster || undefined}
        preload="auto"
        aria-label={props.title}
        className="h-full w-full"
        onEnded={props.onEnded}
        {...taps}
      />
      {view.statistics && <Statistics video={video} facts={stream.facts} />}
      <ShortcutHelp open={view.help} onClose={view.hideHelp} />
      {captions.shown && (
        <CaptionOverlay
          video={video}
          track={captions.shown}
          choice={captions.choice}
          raised={!hidden}
        />
      )}
      {media.waiting && !stream.error && (
        <div className="pointer-events-none absolute inset-0 flex flex-col items-center justify-center">
          <Spinner className="h-12 w-12" />
          <p
            role="status"
            className={stream.away ? 'mt-4 rounded-md bg-black/80 px-3 py-1.5' : 'sr-only'}
          >
            {stream.away ? 'No connection. It goes on by itself.' : 'Loading'}
          </p>
        </div>
      )}
      {untouched && !stream.error && (
        <button
          type="button"
          aria-label={`Play ${props.title}`}
          onClick={actions.togglePlay}
          className="absolute z-10 flex h-20 w-20 items-center justify-center rounded-full bg-accent text-on-accent shadow-lg transition-transform hover:scale-105"
        >
          <Play className="ml-1 h-9 w-9" fill="currentColor" aria-hidden="true" />
        </button>
      )}
      {media.ended && props.kind === 'film' && !stream.error && props.after}
      {stream.error ? (
        <div
          role="alert"
          className="absolute inset-0 flex flex-col items-center justify-center gap-4 bg-black/85 p-6 text-center"
        >
          <p className="font-semibold">{stream.error}</p>
          <Button
            size="sm"
            className="border-white/40 bg-transparent text-white"
            onClick={stream.retry}
          >
            Try again
          </Button>
        </div>
      ) : (
        <Controls
          media={media}
          kind={props.kind}
          duration={Math.max(media.duration, props.knownDuration)}
          stream={stream}
          actions={actions}
          view={view}
          remote={remote}
          storyboardUrl={props.storyboardUrl}
          chapters={props.chapters}
          captions={captions}
          hidden={hidden}
        />
      )}
    </div>
  );
}

/** Goes to the moments that the rest of the page leads to, in sight. */
function useJumps(frame: RefObject<HTMLElement | null>, actions: PlayerActions): void {
  useEffect(
    () =>
      playerJumps.listen((seconds) => {
        actions.playFrom(seconds);
        frame.current?.scrollIntoView({ block: 'nearest' });
      }),
    [frame, actions],
  );
}

function useWatched(currentTime: number, playing: boolean, onWatched: () => void): void {
  const told = useRef(false);
  useEffect(() => {
    if (told.current || !playing || currentTime < WATCHED_SECONDS) return;
    told.current = true;
    onWatched();
  }, [currentTime, playing, onWatched]);
}
