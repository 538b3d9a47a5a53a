import { toApiError } from '../api/errors';
import { fileProblem, titleFromName } from './files';
import { advance, type UploadEvent, type UploadItem } from './machine';
import { SpeedMeter } from './speed';
import type { Transport } from './tus';

export interface QueuePorts {
  send: Transport;
  newId: () => string;
  now: () => number;
}

/**
 * The files on their way, outside of any page so that navigation does not end an upload. They are
 * sent one after another: two at once would only halve each other's speed.
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
      else accepted.push(this.#draft(file));
    }
    this.#replace([...this.#items, ...accepted]);
    return problems;
  }

  apply(id: string, event: UploadEvent): void {
    this.#replace(this.#items.map((item) => (item.id === id ? advance(item, event) : item)));
    if (event.type === 'submitted') this.#sendNext();
  }

  /** Takes the item off the list; bytes on their way are stopped. */
  remove(id: string): void {
    this.#aborts.get(id)?.abort();
    this.#replace(this.#items.filter((item) => item.id !== id));
    this.#sendNext();
  }

  /** Forgets everything, for when the person signs out. */
  clear(): void {
    for (const abort of this.#aborts.values()) abort.abort();
    this.#replace([]);
  }

  #draft(file: File): UploadItem {
    return {
      id: this.#ports.newId(),
      file,
      details: {
        title: titleFromName(file.name),
        description: '',
        tags: [],
        visibility: null,
        publishAt: null,
        keepHdr: false,
      },
      state: { phase: 'draft' },
      attempt: 0,
    };
  }

  #sendNext(): void {
    if (this.#items.some((item) => item.state.phase === 'sending')) return;
    const next = this.#items.find((item) => item.state.phase === 'queued');
    if (!next) return;
    this.apply(next.id, { type: 'started' });
    void this.#send(next).finally(() => this.#sendNext());
  }

  async #send({ id, file, details, attempt }: UploadItem): Promise<void> {
    const abort = new AbortController();
    const speed = new SpeedMeter();
    this.#aborts.set(id, abort);
    try {
      const jobId = await this.#ports.send(file, details, {
        idempotencyKey: `${id}-${attempt}`,
        signal: abort.signal,
        onProgress: (sentBytes) => {
          const bytesPerSecond = speed.add(sentBytes, this.#ports.now());
          this.apply(id, { type: 'progressed', sentBytes, bytesPerSecond });
        },
        onStalled: () => this.apply(id, { type: 'stalled' }),
      });
      this.apply(id, { type: 'delivered', jobId });
    } catch (error) {
      if (!abort.signal.aborted) this.apply(id, { type: 'failed', error: toApiError(error) });
    } finally {
      this.#aborts.delete(id);
    }
  }

  #replace(items: readonly UploadItem[]): void {
    this.#items = items;
    for (const listener of this.#listeners) listener();
  }
}
