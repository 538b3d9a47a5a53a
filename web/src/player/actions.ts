import type { RefObject } from 'react';

import type { LiveTimeline } from './liveTimeline';
import { keepRate } from './preferences';
import { nextRate } from './rates';

/** What a control or a key does to the player. */
export interface PlayerActions extends MediaActions {
  toggleCaptions: () => void;
}

/** What is done to the film itself. */
export interface MediaActions {
  play: () => void;
  pause: () => void;
  togglePlay: () => void;
  seekTo: (seconds: number) => void;
  seekBy: (seconds: number) => void;
  playFrom: (seconds: number) => void;
  /** To that part of the whole, from 0 to 1. */
  seekToShare: (share: number) => void;
  setVolume: (volume: number) => void;
  toggleMute: () => void;
  setRate: (rate: number) => void;
  /** To the next faster (1) or slower (-1) one. */
  changeRate: (direction: 1 | -1) => void;
  /** To the next (1) or the last (-1) picture, and stays there. */
  stepFrame: (direction: 1 | -1) => void;
  toggleFullscreen: () => void;
  togglePictureInPicture: () => void;
}

/** How a live is sought in, by the clock; no timeline for a film. */
export interface LiveSeeking {
  timeline: () => LiveTimeline | null;
  goTo: (moment: number) => void;
  /** Pictures a second of what plays. */
  frameRate: () => number;
}

export function playerActions(
  video: RefObject<HTMLVideoElement | null>,
  frame: RefObject<HTMLElement | null>,
  live: LiveSeeking,
  /** The whole length in seconds, also of a film that still grows. */
  length: () => number,
): MediaActions {
  const withVideo = (act: (element: HTMLVideoElement) => void) => {
    const element = video.current;
    if (element) act(element);
  };
  const seekTo = (seconds: number) =>
    withVideo((element) => {
      const end = Number.isFinite(element.duration) ? element.duration : seconds;
      element.currentTime = Math.min(Math.max(0, seconds), end);
    });
  const setVolume = (volume: number) =>
    withVideo((element) => {
      element.volume = Math.min(1, Math.max(0, volume));
      element.muted = element.volume === 0;
    });
  // A refused play (autoplay rules, no data yet) leaves the button as it is.
  const play = () => withVideo((element) => void element.play().catch(() => undefined));
  const setRate = (rate: number) =>
    withVideo((element) => {
      element.defaultPlaybackRate = rate;
      element.playbackRate = rate;
      keepRate(rate);
    });
  return {
    play,
    pause: () => withVideo((element) => element.pause()),
    togglePlay: () =>
      withVideo((element) => {
        if (element.paused) play();
        else element.pause();
      }),
    seekTo,
    seekBy: (seconds) =>
      withVideo((element) => {
        const at = live.timeline();
        if (at) live.goTo(Math.min(Math.max(at.from, at.now + seconds), at.until));
        else seekTo(element.currentTime + seconds);
      }),
    playFrom: (seconds) => {
      seekTo(seconds);
      withVideo((element) => void element.play().catch(() => undefined));
    },
    seekToShare: (share) =>
      withVideo((element) => {
        const at = live.timeline();
        if (at) live.goTo(at.from + (at.until - at.from) * share);
        else seekTo(Math.max(length(), element.duration || 0) * share);
      }),
    setVolume,
    toggleMute: () =>
      withVideo((element) => {
        if (element.muted && element.volume === 0) setVolume(0.5);
        else element.muted = !element.muted;
      }),
    setRate,
    changeRate: (direction) =>
      withVideo(({ playbackRate }) => setRate(nextRate(playbackRate, direction))),
    stepFrame: (direction) =>
      withVideo((element) => {
        element.pause();
        seekTo(element.currentTime + direction / live.frameRate());
      }),
    toggleFullscreen: () =>
      void toggleFullscreen(video.current, frame.current).catch(() => undefined),
    togglePictureInPicture: () =>
      withVideo((element) => {
        const change = document.pictureInPictureElement
          ? document.exitPictureInPicture()
          : element.requestPictureInPicture();
        change.catch(() => undefined);
      }),
  };
}

/** iPhones can put only the video itself on the whole screen, not our controls. */
interface AppleVideo extends HTMLVideoElement {
  webkitEnterFullscreen?: () => void;
}

async function toggleFullscreen(
  video: AppleVideo | null,
  frame: HTMLElement | null,
): Promise<void> {
  if (document.fullscreenElement) await document.exitFullscreen();
  else if (frame && document.fullscreenEnabled) await frame.requestFullscreen();
  else video?.webkitEnterFullscreen?.();
}
