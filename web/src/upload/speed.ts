const WINDOW_MS = 5_000;

/** Bytes per second over the last few seconds, so that the number is calm but honest. */
export class SpeedMeter {
  readonly #samples: { atMs: number; bytes: number }[] = [];

  add(bytes: number, atMs: number): number {
    this.#samples.push({ atMs, bytes });
    while (this.#samples.length > 2 && atMs - (this.#samples[0]?.atMs ?? atMs) > WINDOW_MS) {
      this.#samples.shift();
    }
    const first = this.#samples[0];
    if (!first || atMs <= first.atMs) return 0;
    return ((bytes - first.bytes) * 1000) / (atMs - first.atMs);
  }
}

/** "about 2 minutes left"; empty while it can't be told. */
export function timeLeft(remainingBytes: number, bytesPerSecond: number): string {
  if (bytesPerSecond <= 0 || remainingBytes <= 0) return '';
  const seconds = remainingBytes / bytesPerSecond;
  if (seconds < 60) return 'less than a minute left';
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `about ${minutes} ${minutes === 1 ? 'minute' : 'minutes'} left`;
  const hours = Math.round(minutes / 60);
  return `about ${hours} ${hours === 1 ? 'hour' : 'hours'} left`;
}
