import { useCallback, useState } from 'react';

/** What is shown around the film. */
export interface PlayerView {
  loop: boolean;
  statistics: boolean;
  help: boolean;
  toggleLoop: () => void;
  toggleStatistics: () => void;
  showHelp: () => void;
  hideHelp: () => void;
  /** Only where the page has room for a wide player. */
  toggleTheatre: (() => void) | undefined;
}

export function usePlayerView(loops: boolean, toggleTheatre: (() => void) | undefined): PlayerView {
  const [loop, setLoop] = useState(loops);
  const [statistics, setStatistics] = useState(false);
  const [help, setHelp] = useState(false);
  return {
    loop,
    statistics,
    help,
    toggleLoop: useCallback(() => setLoop((on) => !on), []),
    toggleStatistics: useCallback(() => setStatistics((on) => !on), []),
    showHelp: useCallback(() => setHelp(true), []),
    hideHelp: useCallback(() => setHelp(false), []),
    toggleTheatre,
  };
}
