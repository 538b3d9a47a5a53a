import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';

import { toApiError } from '../api/errors';
import { queries } from '../api/queries';
import { formatBytes } from '../format/size';
import { Button } from '../ui/Button';
import { InlineError } from '../ui/states';
import { ACCEPT } from './files';
import { isOf, locationOf, type OpenUpload, removeUpload } from './unfinished';
import { useUploadQueue, useUploads } from './UploadProvider';

/** What was begun in another tab, or before the browser was closed. */
export function UnfinishedUploads() {
  const here = new Set(useUploads().map(({ location }) => location));
  const { data = [] } = useQuery(queries.openUploads());
  const uploads = data.filter(({ id }) => !here.has(locationOf(id)));
  if (uploads.length === 0) return null;
  return (
    <section aria-label="Unfinished uploads" className="mb-6">
      <h2 className="mb-1 text-lg font-bold">Unfinished uploads</h2>
      <p className="mb-3 text-sm text-muted">
        Choose the same file again, and it goes on where it stopped.
      </p>
      <ul className="divide-y divide-line rounded-2xl border border-line bg-surface">
        {uploads.map((upload) => (
          <Unfinished key={upload.id} upload={upload} />
        ))}
      </ul>
    </section>
  );
}

function Unfinished({ upload }: { upload: OpenUpload }) {
  const queue = useUploadQueue();
  const client = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const removal = useMutation({
    mutationFn: () => removeUpload(upload.id),
    onSettled: () => client.invalidateQueries(queries.openUploads()),
  });
  const name = upload.details.filename || upload.details.title || 'A file';
  const choose = (file: File | undefined) => {
    if (!file) return;
    if (isOf(upload, file)) queue.add([file]);
    else setProblem(`“${file.name}” is another file, or it has changed since.`);
  };
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 p-4">
      <div className="min-w-0 flex-1 basis-60">
        <p dir="auto" className="truncate font-bold" title={name}>
          {name}
        </p>
        <p className="text-sm text-muted">
          {formatBytes(upload.received)}
          {upload.size !== null && ` of ${formatBytes(upload.size)}`} have arrived, kept until{' '}
          {new Date(upload.expires_at).toLocaleString([], {
            dateStyle: 'medium',
            timeStyle: 'short',
          })}
        </p>
        {problem !== null && (
          <p role="alert" className="text-sm text-danger">
            {problem}
          </p>
        )}
        {removal.isError && <InlineError error={toApiError(removal.error)} />}
      </div>
      {/* Only files that a page has sent can be known again. */}
      {upload.last_modified !== null && (
        <Button size="sm" onClick={() => input.current?.click()} aria-label={`Go on with ${name}`}>
          Choose the file
        </Button>
      )}
      <Button
        size="sm"
        variant="ghost"
        onClick={() => removal.mutate()}
        disabled={removal.isPending}
        aria-label={`Remove ${name}`}
      >
        Remove
      </Button>
      <input
        ref={input}
        type="file"
        accept={ACCEPT}
        className="hidden"
        aria-label={`The file ${name}`}
        onChange={(event) => {
          setProblem(null);
          choose(event.target.files?.[0]);
          event.target.value = '';
        }}
      />
    </li>
  );
}
