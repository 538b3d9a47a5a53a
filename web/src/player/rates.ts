/** How fast a film can be played; 1 is as it was made. */
export const RATES = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

/** The next faster (1) or slower (-1) one; the last where there is none. */
export function nextRate(rate: number, direction: 1 | -1): number {
  const further = RATES.filter((each) => (each - rate) * direction > 0);
  return (direction === 1 ? further[0] : further.at(-1)) ?? rate;
}
