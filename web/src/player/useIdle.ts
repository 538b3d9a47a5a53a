import { useCallback, useEffect, useRef, useState } from 'react';

const IDLE_MS = 2_500;

/** True when nothing has stirred for a while; `stir` is to be called when something does. */
export function useIdle(): { idle: boolean; stir: () => void } {
  const [idle, setIdle] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const stir = useCallback(() => {
    setIdle(false);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setIdle(true), IDLE_MS);
  }, []);
  useEffect(() => () => clearTimeout(timer.current), []);
  return { idle, stir };
}
