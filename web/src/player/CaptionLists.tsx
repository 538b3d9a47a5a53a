import { SIZES } from './captionChoice';
import { captionName } from './captionName';
import { RadioList } from './RadioList';
import type { CaptionState } from './useCaptions';

const OFF = -1;
const GROUNDS = ['Dark box', 'Outline'] as const;

/** Which captions are shown, and how. */
export function CaptionLists({ captions }: { captions: CaptionState }) {
  const { tracks, shown, choice, change } = captions;
  return (
    <>
      <RadioList
        label="Captions"
        value={shown ? tracks.indexOf(shown) : OFF}
        options={[
          { value: OFF, label: 'Off' },
          ...tracks.map((track, value) => ({ value, label: captionName(track) })),
        ]}
        onChange={(value) => {
          const language = tracks[value]?.language;
          change(language === undefined ? { on: false } : { on: true, language });
        }}
      />
      <div>
        <RadioList
          label="Text size"
          value={choice.size}
          options={SIZES.map((label, value) => ({ value, label }))}
          onChange={(size) => change({ size })}
        />
        <RadioList
          label="Background"
          value={choice.ground ? 0 : 1}
          options={GROUNDS.map((label, value) => ({ value, label }))}
          onChange={(value) => change({ ground: value === 0 })}
        />
      </div>
    </>
  );
}
