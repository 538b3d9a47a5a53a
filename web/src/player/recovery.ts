import type Hls from 'hls.js';
import type { ErrorData } from 'hls.js';

import { isCut } from './patience';

/** How often hls.js is helped out of what it can't go on after. */
const MAX_RECOVERIES = 3;

/** In a row, and without another rendition to try. */
const MAX_FAILURES = 10;

/** A live's newest parts may be listed a moment before they are there. */
const MAX_REFUSALS = { film: 3, live: MAX_FAILURES };

/**
 * Gives up what the server refuses, or what can't be read, and tells so in words. hls.js itself
 * would ask for it without end, because its patience with a network that is away has none.
 */
export function watchFailures(
  hls: Hls,
  HlsPlayer: typeof Hls,
  kind: keyof typeof MAX_REFUSALS,
  tell: (message: string) => void,
): void {
  const { Events, ErrorTypes } = HlsPlayer;
  let failures = 0;
  let recoveries = 0;
  let later: ReturnType<typeof setTimeout> | undefined;
  const goOn = () => {
    if (hls.levels.length > 0) hls.startLoad();
    else if (hls.url !== null) hls.loadSource(hls.url);
  };
  const recover = (type: ErrorData['type']) => {
    recoveries += 1;
    if (type === ErrorTypes.MEDIA_ERROR) hls.recoverMediaError();
    else later = setTimeout(goOn, 1_000 * recoveries);
  };
  hls.on(Events.FRAG_BUFFERED, (_, { frag }) => {
    // hls.js counts what it could not read as buffered, too.
    if (Object.values(frag.elementaryStreams).some((stream) => stream !== null)) failures = 0;
  });
  hls.on(Events.ERROR, (_, data) => {
    const gone = data.response?.code === 404 || data.response?.code === 403;
    if (isFailure(data, HlsPlayer)) failures += 1;
    const limit = gone ? MAX_REFUSALS[kind] : MAX_FAILURES;
    if (failures > limit || (data.fatal && (gone || recoveries === MAX_RECOVERIES))) {
      clearTimeout(later);
      tell(gone ? 'This video is not available.' : 'The video could not be loaded.');
      hls.stopLoad();
    } else if (data.fatal) recover(data.type);
  });
  hls.once(Events.DESTROYING, () => clearTimeout(later));
}

/** Whether hls.js will ask for the same again, though the network is there. */
function isFailure(data: ErrorData, HlsPlayer: typeof Hls): boolean {
  const { ErrorTypes, ErrorDetails } = HlsPlayer;
  const { details, errorAction, frag, part, type } = data;
  const hasOtherRendition = errorAction?.nextAutoLevel !== undefined;
  // A live goes on behind what is missing.
  const isPassedOver = (part ?? frag)?.gap === true;
  if (data.fatal || hasOtherRendition || isPassedOver || isCut(data, HlsPlayer)) return false;
  return type === ErrorTypes.NETWORK_ERROR || details === ErrorDetails.FRAG_PARSING_ERROR;
}
