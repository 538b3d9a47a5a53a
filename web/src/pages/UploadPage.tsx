import { useState } from 'react';

import { NearQuota } from '../account/NearQuota';
import { useMe } from '../auth/AuthProvider';
import { Button } from '../ui/Button';
import { PageHeader } from '../ui/PageHeader';
import { DropZone } from '../upload/DropZone';
import { detailsProblems, isComplete } from '../upload/details';
import { UnfinishedUploads } from '../upload/UnfinishedUploads';
import { UploadCard } from '../upload/UploadCard';
import { useUploadQueue, useUploads } from '../upload/UploadProvider';

export default function UploadPage() {
  const queue = useUploadQueue();
  const items = useUploads();
  const [problems, setProblems] = useState<string[]>([]);
  return (
    <div className="page max-w-4xl">
      <PageHeader title="Upload">
        You can leave this page while a video is on its way. If the tab is closed, choose the same
        file again: it goes on where it stopped.
      </PageHeader>
      <NearQuota />
      <div role="alert">
        {problems.map((problem) => (
          <p key={problem} className="mb-4 rounded-lg bg-danger/10 px-4 py-3 text-danger">
            {problem}
          </p>
        ))}
      </div>
      <UnfinishedUploads />
      <UploadAll onProblems={setProblems} />
      <ul className="space-y-5">
        {items.map((item) => (
          <li key={item.id}>
            <UploadCard item={item} />
          </li>
        ))}
        <li>
          <DropZone compact={items.length > 0} onFiles={(files) => setProblems(queue.add(files))} />
        </li>
      </ul>
    </div>
  );
}

/** One click for many files; what still misses something stays, and is named. */
function UploadAll({ onProblems }: { onProblems: (problems: string[]) => void }) {
  const queue = useUploadQueue();
  const drafts = useUploads().filter(({ submitted }) => !submitted);
  const usual = useMe()?.default_visibility ?? 'public';
  if (drafts.length < 2) return null;
  const submit = () => {
    const problems: string[] = [];
    for (const { id, file, details } of drafts) {
      const found = detailsProblems(details, usual, Date.now());
      if (isComplete(found)) queue.apply(id, { type: 'submitted' });
      else problems.push(`“${file.name}”: ${found.title ?? found.time ?? ''}`);
    }
    onProblems(problems);
  };
  return (
    <div className="mb-5 flex items-center justify-between gap-4">
      <p className="text-sm text-muted">{drafts.length} files are on their way already.</p>
      <Button variant="primary" onClick={submit}>
        Upload all
      </Button>
    </div>
  );
}
