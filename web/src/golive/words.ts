import type { PublishState } from './publisher';

/** What is going on, and what the person can do about it. */
export function stateInWords(state: PublishState): string {
  switch (state.phase) {
    case 'connecting':
      return 'Connecting …';
    case 'reconnecting':
      return 'The connection is lost. Reconnecting by itself; viewers wait for you.';
    case 'ended':
      return 'The live has ended.';
    case 'failed':
      return state.message ?? 'The live could not go on.';
    case 'live':
      return TROUBLES[state.trouble ?? 'none'];
  }
}

const TROUBLES = {
  none: 'You are live. Everything looks good.',
  network:
    'You are live, but your network is weak: the picture may be blurred. Try a lower quality next time, or a cable.',
  device: 'You are live, but this device is busy: the picture may jerk. Close other programs.',
} as const;
