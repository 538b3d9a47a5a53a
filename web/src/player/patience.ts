import type Hls from 'hls.js';
import type { ErrorData, HlsConfig, LoadPolicy, RetryConfig } from 'hls.js';

/** Between two tries, so that a film goes on within two seconds of the network's return. */
const AGAIN_MS = 1_000;

/** Whether an answer (0 for none) says that the way to the server is cut, not what is asked for. */
export function isAway(status: number | undefined): boolean {
  return status === 0 || status === 429 || (status !== undefined && status >= 502 && status <= 504);
}

/** Whether something could not be loaded because the way to the server is cut. */
export function isCut({ type, details, response }: ErrorData, { ErrorTypes }: typeof Hls): boolean {
  return type === ErrorTypes.NETWORK_ERROR && (isAway(response?.code) || /TimeOut$/.test(details));
}

/** How often hls.js asks again: as ever, but without end while the network is away. */
export function patience({ DefaultConfig }: typeof Hls): Partial<HlsConfig> {
  const { manifestLoadPolicy, playlistLoadPolicy, fragLoadPolicy } = DefaultConfig;
  return {
    manifestLoadPolicy: patient(manifestLoadPolicy),
    playlistLoadPolicy: patient(playlistLoadPolicy),
    fragLoadPolicy: patient(fragLoadPolicy),
  };
}

function patient({ default: usual }: LoadPolicy): LoadPolicy {
  const again = (retry: RetryConfig | null): RetryConfig => ({
    // Beyond this number hls.js would ask without a pause.
    maxNumRetry: Infinity,
    retryDelayMs: AGAIN_MS,
    maxRetryDelayMs: AGAIN_MS,
    shouldRetry: (_, count, isTimeout, response, otherwise) =>
      isTimeout || isAway(response?.code) || (otherwise && count < (retry?.maxNumRetry ?? 0)),
  });
  const { timeoutRetry, errorRetry } = usual;
  return {
    default: { ...usual, timeoutRetry: again(timeoutRetry), errorRetry: again(errorRetry) },
  };
}

/**
 * Tells when nothing can be loaded and when that is over. Requests that hang since the network was
 * lost are made anew as soon as it is back.
 */
export function watchNetwork(
  hls: Hls,
  HlsPlayer: typeof Hls,
  onAway: (away: boolean) => void,
): void {
  const { Events } = HlsPlayer;
  let away = false;
  const set = (next: boolean) => {
    if (next !== away) onAway(next);
    away = next;
  };
  const onOnline = () => {
    if (!away) return;
    hls.stopLoad();
    hls.startLoad();
  };
  hls.on(Events.ERROR, (_, data) => {
    if (isCut(data, HlsPlayer)) set(true);
  });
  for (const loaded of [Events.FRAG_LOADED, Events.LEVEL_LOADED] as const) {
    hls.on(loaded, () => set(false));
  }
  window.addEventListener('online', onOnline);
  hls.once(Events.DESTROYING, () => window.removeEventListener('online', onOnline));
}
