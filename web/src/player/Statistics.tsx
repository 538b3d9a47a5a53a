import { type RefObject, useEffect, useState } from 'react';

import type { StreamFacts } from './attachHls';
import { bufferedUntil } from './useMediaState';

const EVERY_MS = 1_000;

interface StatisticsProps {
  video: RefObject<HTMLVideoElement | null>;
  facts: () => StreamFacts | null;
}

/** How the film is played, for who looks for the cause of a stutter. */
export function Statistics({ video, facts }: StatisticsProps) {
  const [rows, setRows] = useState<readonly Row[]>([]);
  useEffect(() => {
    const update = () => setRows(video.current ? statisticsOf(video.current, facts()) : []);
    update();
    const timer = setInterval(update, EVERY_MS);
    return () => clearInterval(timer);
  }, [video, facts]);
  return (
    <dl
      aria-label="Statistics"
      className="absolute top-2 left-2 z-10 grid max-w-[calc(100%-1rem)] grid-cols-[auto_1fr] gap-x-3 rounded-lg bg-black/80 p-3 timecode text-xs text-white"
    >
      {rows.map(([name, value]) => (
        <div key={name} className="col-span-2 grid grid-cols-subgrid">
          <dt className="text-white/70">{name}</dt>
          <dd className="break-all">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

type Row = readonly [name: string, value: string];

/** What is known of a video that plays; `facts` only where hls.js plays it. */
export function statisticsOf(video: HTMLVideoElement, facts: StreamFacts | null): readonly Row[] {
  const { droppedVideoFrames, totalVideoFrames } = video.getVideoPlaybackQuality();
  const ahead = bufferedUntil(video.buffered, video.currentTime) - video.currentTime;
  const rows: Row[] = [
    ['Picture', `${video.videoWidth} × ${video.videoHeight}`],
    ['Shown at', `${video.clientWidth} × ${video.clientHeight}`],
    ['Buffered', `${ahead.toFixed(1)} s ahead`],
    ['Dropped', `${droppedVideoFrames} of ${totalVideoFrames} pictures`],
  ];
  if (!facts) return rows;
  rows.push(
    ['Codecs', facts.codecs],
    ['Rendition', `${megabits(facts.bitrate)}, ${facts.frameRate} pictures a second`],
    ['Connection', megabits(facts.bandwidth)],
  );
  if (facts.latency !== null) rows.push(['Behind the live', `${facts.latency.toFixed(1)} s`]);
  return rows;
}

function megabits(bits: number): string {
  return `${(bits / 1_000_000).toFixed(2)} Mbit/s`;
}
