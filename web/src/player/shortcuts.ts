import type { PlayerActions } from './actions';

/** The keys that people know from other players. */
export const SHORTCUTS: readonly [keys: string, meaning: string][] = [
  ['Space or K', 'Play or pause'],
  ['← and →', 'Back or forward 5 seconds'],
  ['J and L', 'Back or forward 10 seconds'],
  ['↑ and ↓', 'Volume'],
  ['0 – 9', 'Jump to that tenth'],
  ['M', 'Mute'],
  ['F', 'Full screen'],
  ['P', 'Picture in picture'],
];

interface Position {
  volume: number;
}

/** Does what the key stands for; false if it stands for nothing. */
export function runShortcut(key: string, actions: PlayerActions, at: Position): boolean {
  if (/^[0-9]$/.test(key)) {
    actions.seekToShare(Number(key) / 10);
    return true;
  }
  const action = ACTIONS[key.toLowerCase()];
  action?.(actions, at);
  return action !== undefined;
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
  m: (actions) => actions.toggleMute(),
  f: (actions) => actions.toggleFullscreen(),
  p: (actions) => actions.togglePictureInPicture(),
};

/** Keys that a focused control uses itself must not also steer the film. */
export function belongsToControl(key: string, target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest('input:not([type=range]), textarea, select, [contenteditable]')) return true;
  if (target.closest('input[type=range], [role^=menu]')) return /^(Arrow|Home|End| )/.test(key);
  return key === ' ' && target.closest('button, a, summary') !== null;
}
