import {
  Maximize,
  Minimize,
  Pause,
  Cast,
  PictureInPicture2,
  Play,
  RectangleHorizontal,
  RotateCcw,
  Volume1,
  Volume2,
  VolumeX,
} from 'lucide-react';
import { type CSSProperties, useSyncExternalStore } from 'react';

import type { Chapter } from '../api/models';
import { formatClock } from '../format/duration';
import { cx } from '../ui/cx';
import type { PlayerActions } from './actions';
import type { Kind } from './attachHls';
import { CaptionMenu } from './CaptionMenu';
import { chapterAt } from './chapters';
import { ControlButton } from './ControlButton';
import { LivePosition } from './LivePosition';
import type { LiveTimeline } from './liveTimeline';
import { SeekBar } from './SeekBar';
import { SettingsMenu } from './SettingsMenu';
import type { Remote } from './useRemote';
import type { CaptionState } from './useCaptions';
import type { Stream } from './useHls';
import type { MediaState } from './useMediaState';
import type { PlayerView } from './usePlayerView';

interface ControlsProps {
  media: MediaState;
  kind: Kind;
  duration: number;
  stream: Stream;
  actions: PlayerActions;
  view: PlayerView;
  remote: Remote;
  storyboardUrl: string | null;
  chapters: readonly Chapter[];
  captions: CaptionState;
  hidden: boolean;
}

const NONE: readonly Chapter[] = [];
const ICON = 'h-5 w-5';

export function Controls({
  media,
  kind,
  duration,
  stream,
  actions,
  view,
  remote,
  storyboardUrl,
  chapters,
  captions,
  hidden,
}: ControlsProps) {
  // A browser that plays a live by itself tells no time of day.
  const known = kind === 'live' ? stream.timeline() : null;
  const live: LiveTimeline | null =
    kind === 'live'
      ? (known ?? {
          from: media.seekableFrom,
          until: media.seekableUntil,
          now: media.currentTime,
        })
      : null;
  const ahead = media.bufferedUntil - media.currentTime;
  return (
    <div
      className={cx(
        'absolute inset-x-0 bottom-0 bg-linear-to-t from-black/85 to-transparent px-2 pt-12 pb-1 transition-opacity duration-200 focus-within:opacity-100 md:px-3 md:pb-2',
        hidden && 'opacity-0',
      )}
    >
      <SeekBar
        currentTime={live ? live.now : media.currentTime}
        from={live ? live.from : 0}
        until={live ? live.until : duration}
        bufferedUntil={live ? live.now + ahead : media.bufferedUntil}
        storyboardUrl={storyboardUrl}
        chapters={live ? NONE : chapters}
        onSeek={known ? stream.goTo : actions.seekTo}
      />
      <div className="flex items-center">
        <PlayButton media={media} onClick={actions.togglePlay} />
        <VolumeControl media={media} actions={actions} />
        {live ? (
          <LivePosition timeline={live} onSeek={known ? stream.goTo : actions.seekTo} />
        ) : (
          <p className="px-2 timecode text-xs whitespace-nowrap md:text-sm">
            {formatClock(media.currentTime * 1000)}
            <span className="text-white/70"> / {formatClock(duration * 1000)}</span>
          </p>
        )}
        <p dir="auto" className="min-w-0 flex-1 truncate text-sm text-white/85 max-sm:invisible">
          {chapterAt(chapters, media.currentTime)?.title}
        </p>
        <CaptionMenu captions={captions} />
        <SettingsMenu stream={stream} rate={media.rate} onRate={actions.setRate} view={view} />
        {remote.available && (
          <ControlButton label="Play on another screen" onClick={remote.choose}>
            <Cast className={ICON} aria-hidden="true" />
          </ControlButton>
        )}
        {view.toggleTheatre && (
          <ControlButton label="Wide player" className="max-xl:hidden" onClick={view.toggleTheatre}>
            <RectangleHorizontal className={ICON} aria-hidden="true" />
          </ControlButton>
        )}
        {document.pictureInPictureEnabled && (
          <ControlButton
            label="Picture in picture"
            className="max-sm:hidden"
            onClick={actions.togglePictureInPicture}
          >
            <PictureInPicture2 className={ICON} aria-hidden="true" />
          </ControlButton>
        )}
        <FullscreenButton onClick={actions.toggleFullscreen} />
      </div>
    </div>
  );
}

function PlayButton({ media, onClick }: { media: MediaState; onClick: () => void }) {
  const [label, Icon] = media.ended
    ? (['Play again', RotateCcw] as const)
    : media.paused
      ? (['Play', Play] as const)
      : (['Pause', Pause] as const);
  return (
    <ControlButton label={label} onClick={onClick}>
      <Icon className={ICON} fill={media.ended ? 'none' : 'currentColor'} aria-hidden="true" />
    </ControlButton>
  );
}

function VolumeControl({ media, actions }: { media: MediaState; actions: PlayerActions }) {
  const level = media.muted ? 0 : media.volume;
  const Icon = level === 0 ? VolumeX : level < 0.5 ? Volume1 : Volume2;
  return (
    <div className="group/volume flex items-center">
      <ControlButton label={level === 0 ? 'Unmute' : 'Mute'} onClick={actions.toggleMute}>
        <Icon className={ICON} aria-hidden="true" />
      </ControlButton>
      <input
        type="range"
        aria-label="Volume"
        aria-valuetext={`${Math.round(level * 100)} percent`}
        min={0}
        max={1}
        step={0.05}
        value={level}
        onChange={(event) => actions.setVolume(Number(event.target.value))}
        className="player-range max-w-20 max-md:hidden"
        style={{ '--filled': `${level * 100}%` } as CSSProperties}
      />
    </div>
  );
}

function FullscreenButton({ onClick }: { onClick: () => void }) {
  const full = useSyncExternalStore(
    (changed) => {
      document.addEventListener('fullscreenchange', changed);
      return () => document.removeEventListener('fullscreenchange', changed);
    },
    () => document.fullscreenElement !== null,
  );
  const Icon = full ? Minimize : Maximize;
  return (
    <ControlButton label={full ? 'Leave full screen' : 'Full screen'} onClick={onClick}>
      <Icon className={ICON} aria-hidden="true" />
    </ControlButton>
  );
}
