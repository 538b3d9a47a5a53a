import { Camera, ScreenShare } from 'lucide-react';

import { Button } from '../ui/Button';
import type { Chosen, Source } from './capture';
import { LevelMeter } from './LevelMeter';
import { QUALITIES, qualityOf, type SendQuality } from './quality';
import { SelectField } from '../ui/SelectField';
import type { Capture } from './useCapture';

interface SourceSetupProps {
  capture: Capture;
  quality: SendQuality;
  /** While a live runs, its size stays. */
  sizeFixed: boolean;
  onOpen: (source: Source, quality: SendQuality, chosen: Chosen) => void;
}

/** Camera or screen, which of several devices, and how good a picture is sent. */
export function SourceSetup({ capture, quality, sizeFixed, onOpen }: SourceSetupProps) {
  const { media, source, devices, chosen, opening, problem } = capture;
  const choose = (part: Partial<Chosen>) => onOpen(source, quality, { ...chosen, ...part });
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap gap-3">
        <Button
          busy={opening}
          aria-pressed={media !== null && source === 'camera'}
          onClick={() => onOpen('camera', quality, chosen)}
        >
          <Camera className="h-4 w-4" aria-hidden="true" />
          Use camera
        </Button>
        {'mediaDevices' in navigator && 'getDisplayMedia' in navigator.mediaDevices && (
          <Button
            disabled={opening}
            aria-pressed={media !== null && source === 'screen'}
            onClick={() => onOpen('screen', quality, chosen)}
          >
            <ScreenShare className="h-4 w-4" aria-hidden="true" />
            Share screen
          </Button>
        )}
      </div>
      {problem && (
        <p role="alert" className="text-danger">
          {problem}
        </p>
      )}
      {media && (
        <>
          <LevelMeter media={media} />
          <div className="grid gap-4 sm:grid-cols-2">
            {source === 'camera' && devices.cameras.length > 1 && (
              <SelectField
                label="Camera"
                value={chosen.camera ?? deviceOf(media.getVideoTracks())}
                options={named(devices.cameras, 'Camera')}
                onChange={(camera) => choose({ camera })}
              />
            )}
            {devices.microphones.length > 1 && (
              <SelectField
                label="Microphone"
                value={chosen.microphone ?? deviceOf(media.getAudioTracks())}
                options={named(devices.microphones, 'Microphone')}
                onChange={(microphone) => choose({ microphone })}
              />
            )}
            {!sizeFixed && (
              <SelectField
                label="Quality"
                value={quality.id}
                options={QUALITIES.map(({ id, label }) => [id, label] as const)}
                onChange={(id) => onOpen(source, qualityOf(id), chosen)}
              />
            )}
          </div>
        </>
      )}
    </div>
  );
}

function deviceOf([track]: MediaStreamTrack[]): string {
  return track?.getSettings().deviceId ?? '';
}

function named(devices: MediaDeviceInfo[], kind: string) {
  return devices.map(
    ({ deviceId, label }, index) => [deviceId, label || `${kind} ${index + 1}`] as const,
  );
}
