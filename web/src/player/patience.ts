import type Hls from 'hls.js';
import type { ErrorData, HlsConfig, LoadPolicy, RetryConfig } from 'hls.js';

/** Between two tries, so that a film goes on within two seconds of the network's return. */
const AGAIN_MS = 1_000;

/** Whether an answer (0 for none) says that the way to the server is cut, not what is asked for. */
function isAway(status: number | undefined): boolean {
  return status === 0 || status === 429 || (status !== undefined && status >= 502 && status <= 504);
}

/** Whether something could not be loaded because the way to the server is cut. */
export function isCut({ type, details, response }: ErrorData, { ErrorTypes }: typeof Hls): boolean {
  return type === ErrorTypes.NETWORK_ERROR && (isAway(response?.code) || /TimeOut$/.test(details));
}

/** Whether the network is away; tells when that changes. */
export class Outage {
  #lasts = false;
  readonly #tell: (away: boolean) => void;

  constructor(tell: (away: boolean) => void) {
    this.#tell = tell;
  }

  get lasts(): boolean {
    return this.#lasts;
  }

  set lasts(away: boolean) {
    if (away === this.#lasts) return;
    this.#lasts = away;
    this.#tell(away);
  }
}

/** How often hls.js asks again: as ever, but without end while the network is away. */
export function patience({ DefaultConfig }: typeof Hls, outage: Outage): Partial<HlsConfig> {
  const { manifestLoadPolicy, playlistLoadPolicy, fragLoadPolicy } = DefaultConfig;
  return {
    manifestLoadPolicy: patient(manifestLoadPolicy, outage),
    playlistLoadPolicy: patient(playlistLoadPolicy, outage),
    fragLoadPolicy: patient(fragLoadPolicy, outage),
  };
}

function patient({ default: usual }: LoadPolicy, outage: Outage): LoadPolicy {
  const again = (retry: RetryConfig | null): RetryConfig => ({
    // Beyond this number hls.js would ask without a pause.
    maxNumRetry: Infinity,
    retryDelayMs: AGAIN_MS,
    maxRetryDelayMs: AGAIN_MS,
    shouldRetry: (_, count, isTimeout, response, otherwise) => {
      // Nothing else tells that the first playlist is asked for again.
      const cut = isTimeout || isAway(response?.code);
      if (cut) outage.lasts = true;
      return cut || (otherwise && count < (retry?.maxNumRetry ?? 0));
    },
  });
  const { timeoutRetry, errorRetry } = usual;
  return {
    default: { ...usual, timeoutRetry: again(timeoutRetry), errorRetry: again(errorRetry) },
  };
}

/**
 * Ends an outage as soon as something is loaded. Requests that hang since the network was lost are
 * made anew as soon as it is back.
 */
export function watchNetwork(hls: Hls, { Events }: typeof Hls, outage: Outage): void {
  const onOnline = () => {
    // A first playlist that is still asked for would not be any more.
    if (!outage.lasts || !hls.loadingEnabled) return;
    hls.stopLoad();
    hls.startLoad();
  };
  const end = () => (outage.lasts = false);
  hls.on(Events.MANIFEST_LOADED, end);
  hls.on(Events.LEVEL_LOADED, end);
  hls.on(Events.FRAG_LOADED, end);
  window.addEventListener('online', onOnline);
  hls.once(Events.DESTROYING, () => {
    end();
    window.removeEventListener('online', onOnline);
  });
}
