import type { SendQuality } from './quality';

export type Source = 'camera' | 'screen';

export interface Chosen {
  camera: string | null;
  microphone: string | null;
}

const FRAMES_PER_SECOND = 30;

/** A camera with its microphone, or a screen with the microphone beside its own sound. */
export async function capture(
  source: Source,
  quality: SendQuality,
  chosen: Chosen,
): Promise<MediaStream> {
  // Pages without https have no devices at all.
  if (!('mediaDevices' in navigator)) throw new DOMException('', 'SecurityError');
  return source === 'camera' ? fromCamera(quality, chosen) : fromScreen(quality, chosen);
}

async function fromCamera(quality: SendQuality, chosen: Chosen): Promise<MediaStream> {
  const video = { ...size(quality), ...exactly(chosen.camera) };
  const audio = exactly(chosen.microphone);
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio });
  } catch (error) {
    // A machine without a microphone has a picture to send.
    if (!isNamed(error, 'NotFoundError')) throw error;
    return navigator.mediaDevices.getUserMedia({ video });
  }
}

async function fromScreen(quality: SendQuality, chosen: Chosen): Promise<MediaStream> {
  const screen = await navigator.mediaDevices.getDisplayMedia({
    video: size(quality),
    audio: true,
  });
  const voice = await navigator.mediaDevices
    .getUserMedia({ audio: exactly(chosen.microphone) })
    .catch(() => null);
  const sounds = [...screen.getAudioTracks(), ...(voice?.getAudioTracks() ?? [])];
  return new MediaStream([...screen.getVideoTracks(), ...mixed(sounds)]);
}

/** One track of all sounds: a live has one. */
function mixed(tracks: MediaStreamTrack[]): MediaStreamTrack[] {
  if (tracks.length < 2) return tracks;
  const context = new AudioContext();
  const target = context.createMediaStreamDestination();
  for (const track of tracks) {
    context.createMediaStreamSource(new MediaStream([track])).connect(target);
  }
  return target.stream.getAudioTracks();
}

function size({ height }: SendQuality): MediaTrackConstraints {
  return {
    width: { ideal: Math.round((height * 16) / 9) },
    height: { ideal: height },
    frameRate: { ideal: FRAMES_PER_SECOND, max: FRAMES_PER_SECOND },
  };
}

function exactly(device: string | null): MediaTrackConstraints {
  return device === null ? {} : { deviceId: { exact: device } };
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof DOMException && error.name === name;
}

/** What went wrong, and what the person can do. */
export function captureProblem(error: unknown, source: Source): string {
  const name = error instanceof DOMException ? error.name : '';
  if (source === 'screen' && name === 'NotAllowedError') {
    return 'Nothing is shared yet. Choose a tab, a window or the screen, and allow it.';
  }
  switch (name) {
    case 'NotAllowedError':
      return 'The browser does not let Cinelog use your camera and microphone. Allow both beside the address bar, then try again.';
    case 'NotFoundError':
      return 'No camera was found. Connect one and try again, or share your screen.';
    case 'NotReadableError':
    case 'AbortError':
      return 'The camera is used by another program. Close that, then try again.';
    case 'OverconstrainedError':
      return 'This device is not there any more. Choose another one.';
    case 'SecurityError':
      return 'Browsers give cameras only to pages that are loaded by https.';
    default:
      return 'The camera could not be started. Try again, or share your screen.';
  }
}

export function stopAll(media: MediaStream | null): void {
  media?.getTracks().forEach((track) => track.stop());
}
