import { Settings2 } from 'lucide-react';
import { useCallback, useRef, useState } from 'react';

import { useDismiss } from '../ui/useDismiss';
import { RATES } from './actions';
import { ControlButton } from './ControlButton';
import { AUTO_LEVEL } from './quality';
import { RadioList } from './RadioList';
import type { Stream } from './useHls';

interface SettingsMenuProps {
  stream: Stream;
  rate: number;
  onRate: (rate: number) => void;
}

/** Quality and speed in one panel. */
export function SettingsMenu({ stream, rate, onRate }: SettingsMenuProps) {
  const [open, setOpen] = useState(false);
  const container = useRef<HTMLDivElement>(null);
  useDismiss(
    open,
    container,
    useCallback(() => setOpen(false), []),
  );
  const automatic = stream.playing === '' ? 'Auto' : `Auto (${stream.playing})`;
  const label = stream.playing === '' ? 'Settings' : `Settings, quality ${stream.playing}`;
  return (
    <div ref={container} className="relative">
      <ControlButton label={label} aria-expanded={open} onClick={() => setOpen(!open)}>
        {stream.playing !== '' && (
          <span className="mr-1.5 timecode text-xs max-xs:hidden" aria-hidden="true">
            {stream.playing}
          </span>
        )}
        <Settings2 className="h-5 w-5" aria-hidden="true" />
      </ControlButton>
      {open && (
        <div className="absolute right-0 bottom-12 z-20 flex max-h-[min(18rem,100cqh-4rem)] gap-1 overflow-y-auto rounded-xl bg-[#141a17] p-2 shadow-2xl">
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
          <RadioList
            label="Speed"
            value={rate}
            options={RATES.map((value) => ({ value, label: value === 1 ? 'Normal' : `${value}×` }))}
            onChange={onRate}
          />
        </div>
      )}
    </div>
  );
}
