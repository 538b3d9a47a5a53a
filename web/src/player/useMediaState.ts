import { type RefObject, useEffect, useState } from 'react';

export interface MediaState {
  paused: boolean;
  /** Something of what is loaded now was played. */
  begun: boolean;
  ended: boolean;
  /** Wants to play but has no data. */
  waiting: boolean;
  currentTime: number;
  duration: number;
  /** What can be sought: all of a film, what is still kept of a live. */
  seekableFrom: number;
  seekableUntil: number;
  /** End of the buffered stretch that holds the current time. */
  bufferedUntil: number;
  volume: number;
  muted: boolean;
  rate: number;
}

const INITIAL: MediaState = {
  paused: true,
  begun: false,
  ended: false,
  waiting: false,
  currentTime: 0,
  duration: 0,
  seekableFrom: 0,
  seekableUntil: 0,
  bufferedUntil: 0,
  volume: 1,
  muted: false,
  rate: 1,
};

const EVENTS = [
  'play',
  'pause',
  'playing',
  'waiting',
  'ended',
  'timeupdate',
  'seeking',
  'seeked',
  'durationchange',
  'progress',
  'volumechange',
  'ratechange',
  'emptied',
  'canplay',
] as const;

/** What a video element is doing, as state that React can draw. */
export function useMediaState(ref: RefObject<HTMLVideoElement | null>): MediaState {
  const [state, setState] = useState(INITIAL);
  useEffect(() => {
    const video = ref.current;
    if (!video) return;
    const update = () => setState(read(video));
    for (const event of EVENTS) video.addEventListener(event, update);
    return () => {
      for (const event of EVENTS) video.removeEventListener(event, update);
    };
  }, [ref]);
  return state;
}

function read(video: HTMLVideoElement): MediaState {
  const { seekable } = video;
  return {
    paused: video.paused,
    begun: video.played.length > 0,
    ended: video.ended,
    waiting: !video.paused && !video.ended && video.readyState < video.HAVE_FUTURE_DATA,
    currentTime: video.currentTime,
    duration: Number.isFinite(video.duration) ? video.duration : 0,
    seekableFrom: seekable.length > 0 ? seekable.start(0) : 0,
    seekableUntil: seekable.length > 0 ? seekable.end(seekable.length - 1) : 0,
    bufferedUntil: bufferedUntil(video.buffered, video.currentTime),
    volume: video.volume,
    muted: video.muted,
    rate: video.playbackRate,
  };
}

export function bufferedUntil(ranges: TimeRanges, time: number): number {
  for (let index = 0; index < ranges.length; index += 1) {
    if (ranges.start(index) <= time + 0.1 && time <= ranges.end(index)) return ranges.end(index);
  }
  return time;
}
