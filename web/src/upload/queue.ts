import { toApiError } from '../api/errors';
import { fileProblem } from './files';
import {
  advance,
  newUpload,
  type UploadDetails,
  type UploadEvent,
  type UploadItem,
} from './machine';
import { SpeedMeter } from './speed';
import type { Transport } from './tus';

export interface QueuePorts {
  send: Transport;
  /** Says what an upload will be before its end is sent, so that a closed tab does not lose it. */
  describe: (location: string, details: UploadDetails) => Promise<void>;
  /** Deletes what has arrived of an upload. */
  remove: (location: string) => Promise<void>;
  newId: () => string;
  now: () => number;
}

/** More would only slow each other down; one would wait for the server between its parts. */
const AT_ONCE = 2;
/** Begun before it is known what they are: an account may have few open uploads. */
const MOST_BEGUN = 10;

/**
 * The files on their way, outside of any page so that navigation does not end an upload. Bytes
 * start at once; what the person wants uploaded goes before what is still being described.
 */
export class UploadQueue {
  #items: readonly UploadItem[] = [];
  readonly #ports: QueuePorts;
  readonly #listeners = new Set<() => void>();
  readonly #aborts = new Map<string, AbortController>();

  constructor(ports: QueuePorts) {
    this.#ports = ports;
  }

  get items(): readonly UploadItem[] {
    return this.#items;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes the files that look like videos; returns what is wrong with the others. */
  add(files: readonly File[]): string[] {
    const problems: string[] = [];
    const accepted: UploadItem[] = [];
    for (const file of files) {
      const problem = fileProblem(file);
      if (problem) problems.push(problem);
      else accepted.push(newUpload(this.#ports.newId(), file));
    }
    this.#replace([...this.#items, ...accepted]);
    this.#sendNext();
    return problems;
  }

  apply(id: string, event: UploadEvent): void {
    this.#replace(this.#items.map((item) => (item.id === id ? advance(item, event) : item)));
    if (event.type === 'submitted') this.#describe(id);
    if (event.type === 'submitted' || event.type === 'resumed') this.#sendNext();
  }

  /** Stops the bytes; what has arrived stays. */
  pause(id: string): void {
    this.apply(id, { type: 'paused' });
    this.#aborts.get(id)?.abort();
    this.#sendNext();
  }

  /** Takes the item off the list; bytes on their way are stopped and deleted. */
  remove(id: string): void {
    this.#aborts.get(id)?.abort();
    const item = this.#item(id);
    if (item && item.location !== null && item.state.phase !== 'sent') {
      // What can't be deleted now expires by itself.
      void this.#ports.remove(item.location).catch(() => undefined);
    }
    this.#replace(this.#items.filter((item) => item.id !== id));
    this.#sendNext();
  }

  /** Forgets everything, for when the person signs out; what has arrived stays. */
  clear(): void {
    for (const abort of this.#aborts.values()) abort.abort();
    this.#replace([]);
  }

  #sendNext(): void {
    while (this.#items.filter((item) => this.#aborts.has(item.id)).length < AT_ONCE) {
      // What was paused and resumed at once may not have stopped yet.
      const waiting = this.#items.filter(
        ({ id, state }) => state.phase === 'queued' && !this.#aborts.has(id),
      );
      const next =
        waiting.find((item) => item.submitted) ??
        (this.#begun() < MOST_BEGUN ? waiting[0] : undefined);
      if (!next) return;
      this.apply(next.id, { type: 'started' });
      void this.#send(next).finally(() => this.#sendNext());
    }
  }

  async #send({ id, file, details, attempt, location }: UploadItem): Promise<void> {
    const abort = new AbortController();
    const speed = new SpeedMeter();
    this.#aborts.set(id, abort);
    try {
      const jobId = await this.#ports.send(file, details, {
        idempotencyKey: `${id}-${attempt}`,
        location,
        mayBeKnown: attempt === 0,
        taken: this.#taken(id),
        signal: abort.signal,
        onLocated: (found, said) =>
          this.apply(id, { type: 'located', location: found, details: said }),
        onProgress: (sentBytes) => {
          const bytesPerSecond = speed.add(sentBytes, this.#ports.now());
          this.apply(id, { type: 'progressed', sentBytes, bytesPerSecond });
        },
        onStalled: () => this.apply(id, { type: 'stalled' }),
        submitted: () => this.#submitted(id),
      });
      this.apply(id, jobId === null ? { type: 'held' } : { type: 'delivered', jobId });
    } catch (error) {
      if (!abort.signal.aborted) this.apply(id, { type: 'failed', error: toApiError(error) });
    } finally {
      this.#aborts.delete(id);
    }
  }

  #item(id: string): UploadItem | undefined {
    return this.#items.find((item) => item.id === id);
  }

  /** How many have a place at the server, or are getting one, and wait for words. */
  #begun(): number {
    return this.#items.filter(
      ({ submitted, state }) => !submitted && state.phase !== 'queued' && state.phase !== 'failed',
    ).length;
  }

  #submitted(id: string): UploadDetails | null {
    const item = this.#item(id);
    return item?.submitted ? item.details : null;
  }

  #taken(id: string): ReadonlySet<string> {
    const others = this.#items.filter((item) => item.id !== id);
    return new Set(others.flatMap(({ location }) => location ?? []));
  }

  #describe(id: string): void {
    const item = this.#item(id);
    if (!item?.submitted || item.location === null || item.state.phase === 'sent') return;
    // It is said again before the end is sent.
    void this.#ports.describe(item.location, item.details).catch(() => undefined);
  }

  #replace(items: readonly UploadItem[]): void {
    this.#items = items;
    for (const listener of this.#listeners) listener();
  }
}
