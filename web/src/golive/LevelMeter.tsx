import { useEffect, useState } from 'react';

const STEP_MS = 150;
/** Speech is far below what a microphone can take. */
const GAIN = 4;

/** How loud the microphone is, so that a silent one is noticed before viewers do. */
export function LevelMeter({ media }: { media: MediaStream }) {
  const level = useLevel(media);
  if (media.getAudioTracks().length === 0) {
    return <p className="text-sm text-muted">No microphone: the live will be silent.</p>;
  }
  return (
    <div className="flex items-center gap-3 text-sm">
      <span className="font-semibold">Sound</span>
      <div
        role="meter"
        aria-label="Loudness"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={level}
        className="h-2.5 flex-1 overflow-hidden rounded-full bg-sunken"
      >
        <div className="h-full bg-ok" style={{ width: `${level}%` }} />
      </div>
    </div>
  );
}

function useLevel(media: MediaStream): number {
  const [level, setLevel] = useState(0);
  useEffect(() => {
    if (media.getAudioTracks().length === 0 || !('AudioContext' in window)) return;
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(media).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      setLevel(Math.min(100, Math.round(Math.sqrt(power) * GAIN * 100)));
    }, STEP_MS);
    return () => {
      clearInterval(timer);
      void context.close();
    };
  }, [media]);
  return level;
}
