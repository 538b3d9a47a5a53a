import { Check, Keyboard, Settings2 } from 'lucide-react';

import { usePopup } from '../ui/usePopup';
import { ControlButton } from './ControlButton';
import { AUTO_LEVEL } from './quality';
import { RadioList } from './RadioList';
import { RATES } from './rates';
import type { Stream } from './useHls';
import type { PlayerView } from './usePlayerView';

interface SettingsMenuProps {
  stream: Stream;
  rate: number;
  onRate: (rate: number) => void;
  view: PlayerView;
}

/** Quality, speed and what is rarely chosen, in one panel. */
export function SettingsMenu({ stream, rate, onRate, view }: SettingsMenuProps) {
  const { open, container, toggle, close } = usePopup();
  const automatic = stream.playing === '' ? 'Auto' : `Auto (${stream.playing})`;
  const label = stream.playing === '' ? 'Settings' : `Settings, quality ${stream.playing}`;
  return (
    <div ref={container} className="relative">
      <ControlButton label={label} aria-expanded={open} onClick={toggle}>
        {stream.playing !== '' && (
          <span className="mr-1.5 timecode text-xs max-xs:hidden" aria-hidden="true">
            {stream.playing}
          </span>
        )}
        <Settings2 className="h-5 w-5" aria-hidden="true" />
      </ControlButton>
      {open && (
        <div className="absolute right-0 bottom-12 z-20 flex max-h-[min(18rem,100cqh-4rem)] w-max max-w-[calc(100cqw-4.5rem)] flex-wrap justify-end gap-1 overflow-y-auto rounded-xl bg-[#141a17] p-2 shadow-2xl sm:max-w-[calc(100cqw-12.5rem)]">
          {stream.qualities.length > 0 && (
            <RadioList
              label="Quality"
              value={stream.chosen}
              options={[
                { value: AUTO_LEVEL, label: automatic },
                ...stream.qualities.map((q) => ({ value: q.level, label: q.label })),
              ]}
              onChange={stream.choose}
            />
          )}
          {stream.sounds.length > 1 && (
            <RadioList
              label="Sound"
              value={stream.sound}
              options={stream.sounds.map((sound) => ({ value: sound.track, label: sound.label }))}
              onChange={stream.chooseSound}
            />
          )}
          <RadioList
            label="Speed"
            value={rate}
            options={RATES.map((value) => ({ value, label: value === 1 ? 'Normal' : `${value}×` }))}
            onChange={onRate}
          />
          <More view={view} close={close} />
        </div>
      )}
    </div>
  );
}

const ITEM =
  'flex min-h-9 w-full cursor-pointer items-center gap-2 rounded-md px-2.5 text-left text-sm whitespace-nowrap hover:bg-white/12 has-focus-visible:outline-2 has-focus-visible:outline-(--focus) pointer-coarse:min-h-11';

function More({ view, close }: { view: PlayerView; close: () => void }) {
  return (
    <fieldset className="min-w-28">
      <legend className="px-2.5 pt-1 pb-1.5 text-xs font-semibold text-white/70">More</legend>
      <Toggle label="Loop" on={view.loop} onChange={view.toggleLoop} />
      <Toggle label="Statistics" on={view.statistics} onChange={view.toggleStatistics} />
      <button
        type="button"
        className={ITEM}
        onClick={() => {
          close();
          view.showHelp();
        }}
      >
        <Keyboard className="h-4 w-4 shrink-0" aria-hidden="true" />
        Shortcuts
      </button>
    </fieldset>
  );
}

function Toggle({ label, on, onChange }: { label: string; on: boolean; onChange: () => void }) {
  return (
    <label className={ITEM}>
      <input type="checkbox" className="sr-only" checked={on} onChange={onChange} />
      <Check
        className={`h-4 w-4 shrink-0 text-accent ${on ? '' : 'invisible'}`}
        aria-hidden="true"
      />
      {label}
    </label>
  );
}
