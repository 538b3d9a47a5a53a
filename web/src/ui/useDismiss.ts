import { type RefObject, useEffect } from 'react';

/** Closes a popup on Escape, on a press elsewhere and when the focus leaves it by the keyboard. */
export function useDismiss(
  open: boolean,
  container: RefObject<HTMLElement | null>,
  close: () => void,
): void {
  useEffect(() => {
    if (!open) return;
    const isOutside = ({ target }: Event) =>
      target instanceof Node && !container.current?.contains(target);
    // A press on what can't have the focus, as a label, gives it to something around the popup.
    let pressedInside = false;
    const onPress = (event: Event) => {
      pressedInside = !isOutside(event);
      if (!pressedInside) close();
    };
    const onFocus = (event: Event) => {
      if (!pressedInside && isOutside(event)) close();
    };
    const onKey = (event: KeyboardEvent) => {
      pressedInside = false;
      if (event.key !== 'Escape') return;
      close();
      container.current?.querySelector<HTMLElement>('[aria-expanded]')?.focus();
    };
    document.addEventListener('pointerdown', onPress);
    document.addEventListener('focusin', onFocus);
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('pointerdown', onPress);
      document.removeEventListener('focusin', onFocus);
      document.removeEventListener('keydown', onKey);
    };
  }, [open, container, close]);
}
