/** Joins class names, leaving out the conditional ones that are off. */
export function cx(...names: (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(' ');
}
