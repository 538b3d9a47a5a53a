import { useCallback, useEffect, useRef, useState } from 'react';

import { capture, captureProblem, type Chosen, type Source, stopAll } from './capture';
import type { SendQuality } from './quality';

export interface Devices {
  cameras: MediaDeviceInfo[];
  microphones: MediaDeviceInfo[];
}

export interface Capture {
  media: MediaStream | null;
  source: Source;
  devices: Devices;
  chosen: Chosen;
  opening: boolean;
  /** In words; null while all is well. */
  problem: string | null;
  open: (source: Source, quality: SendQuality, chosen?: Chosen) => Promise<MediaStream | null>;
  close: () => void;
}

const NOTHING: Chosen = { camera: null, microphone: null };

/** The picture and sound of this device; they are let go when the page is left. */
export function useCapture(): Capture {
  const [media, setMedia] = useState<MediaStream | null>(null);
  const [source, setSource] = useState<Source>('camera');
  const [chosen, setChosen] = useState(NOTHING);
  const [opening, setOpening] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const devices = useDevices(media);
  const current = useRef<MediaStream | null>(null);

  const put = useCallback((next: MediaStream | null) => {
    if (current.current !== next) stopAll(current.current);
    current.current = next;
    setMedia(next);
  }, []);
  useEffect(() => () => stopAll(current.current), []);

  const open = useCallback(
    async (from: Source, quality: SendQuality, wanted: Chosen = NOTHING) => {
      setOpening(true);
      setProblem(null);
      try {
        const opened = await capture(from, quality, wanted);
        opened.getVideoTracks()[0]?.addEventListener('ended', () => {
          if (current.current === opened) setProblem(GONE[from]);
        });
        put(opened);
        setSource(from);
        setChosen(wanted);
        return opened;
      } catch (error) {
        setProblem(captureProblem(error, from));
        return null;
      } finally {
        setOpening(false);
      }
    },
    [put],
  );
  const close = useCallback(() => put(null), [put]);
  return { media, source, devices, chosen, opening, problem, open, close };
}

const GONE: Record<Source, string> = {
  camera: 'The camera is gone. Connect it again, or choose another one.',
  screen: 'The screen is not shared any more. Share it again, or use the camera.',
};

/** What can be chosen; names are known once the browser has allowed one of them. */
function useDevices(media: MediaStream | null): Devices {
  const [devices, setDevices] = useState<Devices>({ cameras: [], microphones: [] });
  useEffect(() => {
    if (!('mediaDevices' in navigator)) return;
    const { mediaDevices } = navigator;
    let wanted = true;
    const list = async () => {
      const found = await mediaDevices.enumerateDevices().catch(() => []);
      if (!wanted) return;
      setDevices({
        cameras: found.filter(({ kind }) => kind === 'videoinput'),
        microphones: found.filter(({ kind }) => kind === 'audioinput'),
      });
    };
    const relist = () => void list();
    relist();
    mediaDevices.addEventListener('devicechange', relist);
    return () => {
      wanted = false;
      mediaDevices.removeEventListener('devicechange', relist);
    };
  }, [media]);
  return devices;
}
