import { Monitor, Moon, Sun } from 'lucide-react';

import { cx } from '../ui/cx';
import { setTheme, type ThemeChoice, useTheme } from '../ui/theme';

const CHOICES: readonly [ThemeChoice, string, typeof Sun][] = [
  ['system', 'As the system', Monitor],
  ['light', 'Light', Sun],
  ['dark', 'Dark', Moon],
];

export function ThemeMenu() {
  const theme = useTheme();
  return (
    <fieldset className="flex rounded-lg border border-line p-0.5">
      <legend className="sr-only">Theme</legend>
      {CHOICES.map(([choice, label, Icon]) => (
        <label
          key={choice}
          title={label}
          className={cx(
            'flex h-11 w-11 cursor-pointer items-center justify-center rounded-md has-focus-visible:outline-2 has-focus-visible:outline-(--focus)',
            theme === choice ? 'bg-sunken text-ink' : 'text-muted hover:text-ink',
          )}
        >
          <input
            type="radio"
            name="theme"
            className="sr-only"
            checked={theme === choice}
            onChange={() => setTheme(choice)}
          />
          <Icon className="h-4 w-4" aria-hidden="true" />
          <span className="sr-only">{label}</span>
        </label>
      ))}
    </fieldset>
  );
}
