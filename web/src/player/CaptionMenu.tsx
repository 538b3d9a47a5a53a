import { Captions as CaptionsIcon } from 'lucide-react';

import { usePopup } from '../ui/usePopup';
import { CaptionLists } from './CaptionLists';
import { captionName } from './captionName';
import { ControlButton } from './ControlButton';
import type { CaptionState } from './useCaptions';

/** The captions' button and its panel; nothing where a film has none. */
export function CaptionMenu({ captions }: { captions: CaptionState }) {
  const { open, container, toggle } = usePopup();
  if (captions.tracks.length === 0) return null;
  const { shown } = captions;
  return (
    <div ref={container} className="relative">
      <ControlButton
        label={shown ? `Captions, ${captionName(shown)}` : 'Captions'}
        aria-expanded={open}
        className={shown ? 'shadow-[inset_0_-3px_0_var(--accent)]' : undefined}
        onClick={toggle}
      >
        <CaptionsIcon className="h-5 w-5" aria-hidden="true" />
      </ControlButton>
      {open && (
        <div className="absolute -right-22 bottom-12 z-20 flex max-h-[min(18rem,100cqh-4rem)] gap-1 overflow-y-auto rounded-xl bg-[#141a17] p-2 shadow-2xl sm:right-0">
          <CaptionLists captions={captions} />
        </div>
      )}
    </div>
  );
}
