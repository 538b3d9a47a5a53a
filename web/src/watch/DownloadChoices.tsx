import { Download } from 'lucide-react';

import type { Video } from '../api/models';
import { formatBytes } from '../format/size';

/** The video as a file, in each size that the viewer may have. */
export function DownloadChoices({ video }: { video: Video }) {
  if (video.files.length === 0) return null;
  return (
    <section aria-label="Download">
      <h3 className="mb-1.5 text-sm font-semibold">Download</h3>
      <ul className="flex flex-wrap gap-2">
        {video.files.map((file) => (
          <li key={file.rendition}>
            <a
              href={file.url}
              download
              className="inline-flex min-h-11 items-center gap-2 rounded-lg border border-line px-3 text-sm font-semibold hover:border-edge"
            >
              <Download className="h-4 w-4" aria-hidden="true" />
              MP4 {file.rendition}
              <span className="font-normal text-muted">{formatBytes(file.size)}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
