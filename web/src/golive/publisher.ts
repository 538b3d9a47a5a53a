import { type ApiError, errorFromBody, networkError, toApiError } from '../api/errors';
import type { SendQuality } from './quality';
import { answerAfterRestart, credentialsOf, fragmentOf, iceServersOf } from './sdp';
import { measure, type Sending } from './sending';

const CONNECT_MS = 10_000;
/** Browsers notice silence after some seconds; a short gap mends itself. */
const PATIENCE_MS = 2_000;
const HEALTH_MS = 2_000;
const GATHER_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const SOUND_BITS_PER_SECOND = 128_000;

export type Phase = 'connecting' | 'live' | 'reconnecting' | 'ended' | 'failed';

export interface PublishState extends Sending {
  phase: Phase;
  /** Why it failed, for the person. */
  message: string | null;
  /** When the first picture could be sent, in milliseconds. */
  since: number | null;
}

export interface PublisherOptions {
  /** The stream's WHIP endpoint. */
  endpoint: string;
  media: MediaStream;
  quality: SendQuality;
  /** How long a live waits for its publisher. */
  reconnectSeconds: number;
  /** `fetch` with the person's token. */
  request: (request: Request) => Promise<Response>;
  /** The video that the stream's running session is; null where none runs. */
  runningVideo: () => Promise<string | null>;
}

/**
 * Sends a camera or a screen by WHIP. After a loss it restarts ICE, then makes new offers for as
 * long as the live waits for it.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #listeners = new Set<() => void>();
  #state: PublishState = {
    phase: 'connecting',
    trouble: null,
    message: null,
    bytes: 0,
    since: null,
  };
  #connection: RTCPeerConnection | null = null;
  #resource: string | null = null;
  #tag = '';
  #candidates: string[] = [];
  #telling: ReturnType<typeof setTimeout> | undefined;
  #watching: ReturnType<typeof setInterval> | undefined;
  #recovering = false;
  #video: string | null = null;
  #sentBefore = 0;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): PublishState => this.#state;

  #isOver(): boolean {
    return this.#state.phase === 'ended' || this.#state.phase === 'failed';
  }

  /** Connects; the state says what comes of it. */
  async start(): Promise<void> {
    window.addEventListener('online', this.#onOnline);
    window.addEventListener('pagehide', this.#onPageHide);
    this.#watching = setInterval(() => void this.#measure(), HEALTH_MS);
    await this.#connect(false);
  }

  /** Sends this track in place of the one of its kind. */
  async replace(track: MediaStreamTrack): Promise<void> {
    const sender = this.#connection?.getSenders().find((one) => one.track?.kind === track.kind);
    await sender?.replaceTrack(track);
  }

  /** Ends the connection; the live itself is ended by its stream's routes. */
  async stop(): Promise<void> {
    if (this.#isOver()) return;
    this.#finish('ended', null);
    await this.#leave();
  }

  async #connect(restart: boolean): Promise<void> {
    if (this.#recovering || this.#isOver()) return;
    this.#recovering = true;
    const until = Date.now() + this.#options.reconnectSeconds * 1000;
    const first = this.#state.since === null;
    for (let attempt = 0; !this.#isOver(); attempt++) {
      try {
        if (restart && this.#resource !== null) await this.#restart();
        else await this.#offer();
        if (await this.#connected()) break;
        restart = false;
        if (first) this.#finish('failed', NO_WAY);
      } catch (error) {
        const problem = toApiError(error);
        const offered = !restart;
        // Without a network, the connection may be there still; else only a new one helps.
        restart = restart && problem.isNetwork;
        if (offered && (first || !mayMend(problem))) this.#finish('failed', problem.message);
      }
      if (Date.now() > until) this.#finish('failed', TOO_LONG);
      if (!this.#isOver()) await pause(Math.min(1000 * 2 ** attempt, LONGEST_PAUSE_MS));
    }
    this.#recovering = false;
    if (!this.#isOver()) {
      this.#change({ phase: 'live', since: this.#state.since ?? Date.now() });
    }
  }

  async #offer(): Promise<void> {
    if (this.#video !== null && (await this.#options.runningVideo()) !== this.#video) {
      this.#finish('ended', null);
      return;
    }
    await this.#leave();
    const connection = this.#open();
    const offer = await connection.createOffer();
    const response = await this.#send('POST', this.#options.endpoint, offer.sdp ?? '', {
      'Content-Type': 'application/sdp',
    });
    const answer = await response.text();
    this.#resource = new URL(response.headers.get('Location') ?? '', window.location.origin).href;
    this.#tag = response.headers.get('ETag') ?? '';
    // Candidates are gathered from here on, with the servers that the answer named.
    const iceServers = iceServersOf(response.headers.get('Link'));
    connection.setConfiguration({ bundlePolicy: 'max-bundle', iceServers });
    await connection.setLocalDescription(offer);
    await connection.setRemoteDescription({ type: 'answer', sdp: answer });
    this.#video ??= await this.#options.runningVideo().catch(() => null);
  }

  async #restart(): Promise<void> {
    const connection = this.#connection;
    const before = connection?.remoteDescription?.sdp;
    if (!connection || before === undefined || this.#resource === null) return this.#offer();
    const offer = await connection.createOffer({ iceRestart: true });
    const response = await this.#send('PATCH', this.#resource, fragmentOf(offer.sdp ?? '', []), {
      'Content-Type': FRAGMENT,
      'If-Match': '*',
    });
    const fragment = await response.text();
    this.#tag = response.headers.get('ETag') ?? '';
    this.#candidates = [];
    const iceServers = iceServersOf(response.headers.get('Link'));
    if (iceServers.length > 0) {
      connection.setConfiguration({ bundlePolicy: 'max-bundle', iceServers });
    }
    await connection.setLocalDescription(offer);
    await connection.setRemoteDescription({
      type: 'answer',
      sdp: answerAfterRestart(before, fragment),
    });
  }

  #open(): RTCPeerConnection {
    const { media, quality } = this.#options;
    const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    for (const track of media.getTracks()) {
      const maxBitrate = track.kind === 'video' ? quality.bitsPerSecond : SOUND_BITS_PER_SECOND;
      const transceiver = connection.addTransceiver(track, {
        direction: 'sendonly',
        streams: [media],
        sendEncodings: [{ maxBitrate }],
      });
      if (track.kind === 'video') preferH264(transceiver);
    }
    connection.onicecandidate = ({ candidate }) => this.#gather(connection, candidate);
    connection.onconnectionstatechange = () => this.#onState(connection);
    this.#connection = connection;
    this.#candidates = [];
    return connection;
  }

  /** Closes the connection and tells the server, which may not hear it. */
  async #leave(): Promise<void> {
    const resource = this.#resource;
    this.#resource = null;
    this.#sentBefore = this.#state.bytes;
    this.#connection?.close();
    this.#connection = null;
    clearTimeout(this.#telling);
    if (resource !== null) await this.#send('DELETE', resource, null, {}).catch(() => undefined);
  }

  /** Candidates come one by one, and are told together. */
  #gather(connection: RTCPeerConnection, candidate: RTCIceCandidate | null): void {
    const sdp = connection.localDescription?.sdp ?? '';
    const { username } = credentialsOf(sdp);
    if (candidate === null || connection !== this.#connection) return;
    if ((candidate.usernameFragment ?? username) !== username) return;
    this.#candidates.push(candidate.candidate);
    clearTimeout(this.#telling);
    this.#telling = setTimeout(() => void this.#tell(connection), GATHER_MS);
  }

  async #tell(connection: RTCPeerConnection): Promise<void> {
    const resource = this.#resource;
    const candidates = this.#candidates.splice(0);
    if (resource === null || candidates.length === 0 || connection !== this.#connection) return;
    const body = fragmentOf(connection.localDescription?.sdp ?? '', candidates);
    const headers = { 'Content-Type': FRAGMENT, 'If-Match': this.#tag };
    // Where this fails, the connection does, and is made anew.
    await this.#send('PATCH', resource, body, headers).catch(() => undefined);
  }

  #onState(connection: RTCPeerConnection): void {
    if (connection !== this.#connection || this.#isOver() || this.#recovering) return;
    const { connectionState } = connection;
    if (connectionState === 'connected') this.#change({ phase: 'live' });
    if (connectionState !== 'disconnected' && connectionState !== 'failed') return;
    this.#change({ phase: 'reconnecting', trouble: null });
    const patience = connectionState === 'failed' ? 0 : PATIENCE_MS;
    setTimeout(() => {
      const still = connection === this.#connection && connection.connectionState !== 'connected';
      if (still) void this.#connect(true);
    }, patience);
  }

  readonly #onOnline = () => {
    if (this.#connection?.connectionState === 'connected' || this.#state.since === null) return;
    this.#change({ phase: 'reconnecting' });
    void this.#connect(true);
  };

  readonly #onPageHide = () => {
    void this.stop();
  };

  /** Whether the connection comes about in time. */
  #connected(): Promise<boolean> {
    const connection = this.#connection;
    if (!connection || this.#isOver()) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = () => {
        const { connectionState } = connection;
        if (connectionState === 'connected') finish(true);
        if (connectionState === 'closed') finish(false);
      };
      const late = setTimeout(() => finish(false), CONNECT_MS);
      const finish = (connected: boolean) => {
        clearTimeout(late);
        connection.removeEventListener('connectionstatechange', settle);
        resolve(connected);
      };
      connection.addEventListener('connectionstatechange', settle);
      settle();
    });
  }

  async #measure(): Promise<void> {
    const connection = this.#connection;
    if (!connection || this.#state.phase !== 'live') return;
    const reports = await connection.getStats();
    if (connection !== this.#connection) return;
    const { bytes, trouble } = measure(reports);
    this.#change({ bytes: this.#sentBefore + bytes, trouble });
  }

  async #send(
    method: string,
    url: string,
    body: string | null,
    headers: Record<string, string>,
  ): Promise<Response> {
    const request = new Request(new URL(url, window.location.origin), {
      method,
      body,
      headers,
      keepalive: method === 'DELETE',
    });
    const response = await this.#options.request(request).catch((error: unknown) => {
      throw error instanceof TypeError ? networkError() : error;
    });
    if (response.ok) return response;
    const said: unknown = await response.json().catch(() => null);
    throw errorFromBody(response.status, said, response.headers.get('Retry-After'));
  }

  #finish(phase: 'ended' | 'failed', message: string | null): void {
    if (this.#isOver()) return;
    window.removeEventListener('online', this.#onOnline);
    window.removeEventListener('pagehide', this.#onPageHide);
    clearInterval(this.#watching);
    this.#change({ phase, message, trouble: null });
    if (phase === 'failed') void this.#leave();
  }

  #change(changes: Partial<PublishState>): void {
    this.#state = { ...this.#state, ...changes };
    this.#listeners.forEach((listener) => listener());
  }
}

const FRAGMENT = 'application/trickle-ice-sdpfrag';
const NO_WAY =
  'No connection to Cinelog came about. A firewall may be in the way: try another network, or OBS.';
const TOO_LONG = 'The connection was away for too long, and the live has ended.';

/** Whether another offer may be taken: the publisher of before may still be there, for example. */
function mayMend(problem: ApiError): boolean {
  return (
    problem.isTemporary || [0, 404].includes(problem.status) || problem.type === 'already_live'
  );
}

/** The server takes H.264 alone. Where a browser cannot choose, the server chooses. */
function preferH264(transceiver: RTCRtpTransceiver): void {
  const codecs = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
  const wanted = codecs.filter(({ mimeType }) => /\/(h264|rtx)$/i.test(mimeType));
  if (wanted.some(({ mimeType }) => /h264$/i.test(mimeType))) {
    transceiver.setCodecPreferences(wanted);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
