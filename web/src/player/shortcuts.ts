import type { PlayerActions } from './actions';
import type { PlayerView } from './usePlayerView';

/** The keys that people know from other players. */
export const SHORTCUTS: readonly [keys: string, meaning: string][] = [
  ['Space or K', 'Play or pause'],
  ['← and →', 'Back or forward 5 seconds'],
  ['J and L', 'Back or forward 10 seconds'],
  ['↑ and ↓', 'Volume'],
  ['0 – 9', 'Jump to that tenth'],
  ['< and >', 'Slower or faster'],
  [', and .', 'Back or forward one picture'],
  ['M', 'Mute'],
  ['C', 'Captions'],
  ['F', 'Full screen'],
  ['T', 'Wide player'],
  ['P', 'Picture in picture'],
  ['I', 'Statistics'],
  ['?', 'These shortcuts'],
];

interface Position {
  volume: number;
}

/** Does what the key stands for; false if it stands for nothing. */
export function runShortcut(
  key: string,
  actions: PlayerActions,
  view: PlayerView,
  at: Position,
): boolean {
  if (/^[0-9]$/.test(key)) {
    actions.seekToShare(Number(key) / 10);
    return true;
  }
  const action = ACTIONS[key.toLowerCase()];
  const shown = VIEWS[key.toLowerCase()];
  action?.(actions, at);
  shown?.(view);
  return action !== undefined || shown !== undefined;
}

const ACTIONS: Record<string, ((actions: PlayerActions, at: Position) => void) | undefined> = {
  ' ': (actions) => actions.togglePlay(),
  k: (actions) => actions.togglePlay(),
  arrowleft: (actions) => actions.seekBy(-5),
  arrowright: (actions) => actions.seekBy(5),
  j: (actions) => actions.seekBy(-10),
  l: (actions) => actions.seekBy(10),
  arrowup: (actions, { volume }) => actions.setVolume(volume + 0.1),
  arrowdown: (actions, { volume }) => actions.setVolume(volume - 0.1),
  '<': (actions) => actions.changeRate(-1),
  '>': (actions) => actions.changeRate(1),
  ',': (actions) => actions.stepFrame(-1),
  '.': (actions) => actions.stepFrame(1),
  m: (actions) => actions.toggleMute(),
  c: (actions) => actions.toggleCaptions(),
  f: (actions) => actions.toggleFullscreen(),
  p: (actions) => actions.togglePictureInPicture(),
};

const VIEWS: Record<string, ((view: PlayerView) => void) | undefined> = {
  t: (view) => view.toggleTheatre?.(),
  i: (view) => view.toggleStatistics(),
  '?': (view) => view.showHelp(),
};

/** Keys that a focused control uses itself must not also steer the film. */
export function belongsToControl(key: string, target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest('input:not([type=range]), textarea, select, [contenteditable]')) return true;
  if (target.closest('input[type=range], [role^=menu]')) return /^(Arrow|Home|End| )/.test(key);
  return key === ' ' && target.closest('button, a, summary') !== null;
}
