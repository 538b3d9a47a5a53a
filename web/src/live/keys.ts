/** Keys of streams, as this page was told them. The server keeps only their hashes. */
const keys = new Map<string, string>();

export function keepKey(streamId: string, key: string): void {
  keys.set(streamId, key);
}

/** Null unless the key was made since the page was loaded. */
export function keptKey(streamId: string): string | null {
  return keys.get(streamId) ?? null;
}
