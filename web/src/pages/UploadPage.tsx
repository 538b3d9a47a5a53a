import { useState } from 'react';

import { NearQuota } from '../account/NearQuota';
import { PageHeader } from '../ui/PageHeader';
import { DropZone } from '../upload/DropZone';
import { UploadCard } from '../upload/UploadCard';
import { useUploadQueue, useUploads } from '../upload/UploadProvider';

export default function UploadPage() {
  const queue = useUploadQueue();
  const items = useUploads();
  const [problems, setProblems] = useState<string[]>([]);
  return (
    <div className="page max-w-4xl">
      <PageHeader title="Upload">
        You can leave this page while a video is on its way; only keep the tab open.
      </PageHeader>
      <NearQuota />
      <div role="alert">
        {problems.map((problem) => (
          <p key={problem} className="mb-4 rounded-lg bg-danger/10 px-4 py-3 text-danger">
            {problem}
          </p>
        ))}
      </div>
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
