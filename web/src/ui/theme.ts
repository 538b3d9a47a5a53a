import { useSyncExternalStore } from 'react';

import { kept } from './kept';

export type ThemeChoice = 'system' | 'light' | 'dark';

const KEY = 'cinelog.theme';
const listeners = new Set<() => void>();

function readTheme(): ThemeChoice {
  const chosen = document.documentElement.dataset['theme'];
  return chosen === 'light' || chosen === 'dark' ? chosen : 'system';
}

export function setTheme(choice: ThemeChoice): void {
  if (choice === 'system') {
    delete document.documentElement.dataset['theme'];
    kept.remove(KEY);
  } else {
    document.documentElement.dataset['theme'] = choice;
    kept.set(KEY, choice);
  }
  for (const listener of listeners) listener();
}

export function useTheme(): ThemeChoice {
  return useSyncExternalStore((changed) => {
    listeners.add(changed);
    return () => listeners.delete(changed);
  }, readTheme);
}
