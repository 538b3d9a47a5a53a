type Listener = (seconds: number) => void;

let listener: Listener | null = null;

/** Moments of the film that the rest of the page leads to. */
export const playerJumps = {
  /** Shows the moment; false where no player is there to show it. */
  to(seconds: number): boolean {
    listener?.(seconds);
    return listener !== null;
  },
  /** The page's player; returns how it leaves. */
  listen(next: Listener): () => void {
    listener = next;
    return () => {
      if (listener === next) listener = null;
    };
  },
};
