import { Share2 } from 'lucide-react';

import { Button } from '../ui/Button';
import { useNotify } from '../ui/notifications';

/** The device's share sheet where there is one, else the link on the clipboard. */
export function ShareButton({ title }: { title: string }) {
  const notify = useNotify();
  const share = async () => {
    const url = window.location.href;
    try {
      if ('share' in navigator) await navigator.share({ title, url });
      else {
        await (navigator as Navigator).clipboard.writeText(url);
        notify('The link has been copied.');
      }
    } catch (error) {
      // Closing the share sheet is an answer, not an error.
      if (!(error instanceof DOMException && error.name === 'AbortError')) {
        notify('The link could not be copied. It is in the address bar.');
      }
    }
  };
  return (
    <Button size="sm" onClick={() => void share()}>
      <Share2 className="h-4 w-4" aria-hidden="true" />
      Share
    </Button>
  );
}
