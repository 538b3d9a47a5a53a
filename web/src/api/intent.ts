import { useState } from 'react';

import { toApiError } from './errors';

/** A name that nobody else has. Not crypto.randomUUID: browsers offer that only over https. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) =>
    part.toString(16).padStart(8, '0'),
  ).join('');
}

/** What somebody wants now, and the idempotency key that every request for it carries. */
export class Intent {
  #wanted: { what: string; key: string; since: number } | null = null;
  readonly #keptMs: number;

  /** `keptMs`: after so long the same words mean something else. */
  constructor(keptMs = Infinity) {
    this.#keptMs = keptMs;
  }

  /** The same key for as long as the same is wanted: asking again makes nothing twice. */
  keyFor(what: string): string {
    const now = Date.now();
    if (this.#wanted?.what !== what || now - this.#wanted.since > this.#keptMs) {
      this.#wanted = { what, key: randomId(), since: now };
    }
    return this.#wanted.key;
  }

  /** Done, or refused: who asks for the same again wants another one. A lost answer is neither. */
  settled(error: unknown): void {
    if (!error || !toApiError(error).isTemporary) this.#wanted = null;
  }
}

export function useIntent(keptMs?: number): Intent {
  return useState(() => new Intent(keptMs))[0];
}
