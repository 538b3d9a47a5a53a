const LOST_SHARE = 0.05;
const SLOW_SECONDS = 0.8;

export interface Sending {
  bytes: number;
  /** What keeps the picture from being as good as was asked for. */
  trouble: 'network' | 'device' | null;
}

/** Of RTCStats, what is read here; browsers leave out what they do not know. */
interface Measured {
  type: string;
  bytesSent?: number;
  qualityLimitationReason?: string;
  fractionLost?: number;
  roundTripTime?: number;
}

/** How a connection is doing, by what the browser counts. */
export function measure(reports: RTCStatsReport): Sending {
  const all: Measured[] = [];
  reports.forEach((report: Measured) => all.push(report));
  const sent = all.filter(({ type }) => type === 'outbound-rtp');
  const heard = all.filter(({ type }) => type === 'remote-inbound-rtp');
  const weak =
    sent.some(({ qualityLimitationReason }) => qualityLimitationReason === 'bandwidth') ||
    heard.some(
      ({ fractionLost = 0, roundTripTime = 0 }) =>
        fractionLost > LOST_SHARE || roundTripTime > SLOW_SECONDS,
    );
  const busy = sent.some(({ qualityLimitationReason }) => qualityLimitationReason === 'cpu');
  return {
    bytes: sent.reduce((sum, { bytesSent = 0 }) => sum + bytesSent, 0),
    trouble: weak ? 'network' : busy ? 'device' : null,
  };
}
