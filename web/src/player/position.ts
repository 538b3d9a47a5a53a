let seconds = 0;
const listeners = new Set<() => void>();

/** Where the page's player is, in whole seconds, for what goes along with the film. */
export const playerPosition = {
  get: () => seconds,
  set(next: number) {
    const whole = Math.floor(next);
    if (whole === seconds) return;
    seconds = whole;
    for (const listener of listeners) listener();
  },
  subscribe: (listener: () => void) => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  },
};
