/** Texts by name that outlive a page. */
interface Kept {
  get: (key: string) => string | null;
  set: (key: string, value: string) => void;
  remove: (key: string) => void;
}

/**
 * Reads and writes the browser's storage, which throws where it is blocked, as in a frame of another
 * site, and where it is full. What can't be kept there is kept until the page goes.
 */
function keptIn(storage: () => Storage): Kept {
  const here = new Map<string, string>();
  const attempt = <T>(act: (there: Storage) => T): T | null => {
    try {
      return act(storage());
    } catch {
      return null;
    }
  };
  return {
    get: (key) => here.get(key) ?? attempt((there) => there.getItem(key)),
    set: (key, value) => {
      here.set(key, value);
      const written = attempt((there) => {
        there.setItem(key, value);
        return true;
      });
      if (written) here.delete(key);
    },
    remove: (key) => {
      here.delete(key);
      attempt((there) => there.removeItem(key));
    },
  };
}

/** For the next visit, and for other tabs. */
export const kept = keptIn(() => localStorage);
/** For this tab. */
export const keptForTab = keptIn(() => sessionStorage);
