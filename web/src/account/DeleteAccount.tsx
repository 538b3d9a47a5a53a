import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';

import { toApiError } from '../api/errors';
import { deleteAccount } from '../auth/account';
import { Button } from '../ui/Button';
import { ConfirmDialog } from '../ui/Dialog';
import { useNotify } from '../ui/notifications';
import { Section } from './Section';
import { useConfirmation } from './useConfirmation';

export function DeleteAccount({ userId }: { userId: string | undefined }) {
  const [open, setOpen] = useState(false);
  const navigate = useNavigate();
  const notify = useNotify();
  const confirmation = useConfirmation();
  const remove = useMutation({
    mutationFn: async (id: string) => {
      await deleteAccount(id, confirmation.password);
      await navigate('/');
    },
    onError: confirmation.onError,
    onSuccess: () => notify('Your account has been deleted.'),
  });
  return (
    <Section title="Delete account" lead="Your account and all your videos.">
      <Button variant="danger" disabled={userId === undefined} onClick={() => setOpen(true)}>
        Delete my account
      </Button>
      <ConfirmDialog
        open={open}
        title="Delete your account?"
        confirmLabel="Delete everything"
        busy={remove.isPending}
        error={remove.error ? toApiError(remove.error).message : undefined}
        onConfirm={() => {
          if (userId !== undefined && !confirmation.missing) remove.mutate(userId);
        }}
        onCancel={() => {
          confirmation.reset();
          remove.reset();
          setOpen(false);
        }}
      >
        <p>Your account, your videos, their views and tags will be gone. This can’t be undone.</p>
        {confirmation.field && <div className="mt-4 text-ink">{confirmation.field}</div>}
      </ConfirmDialog>
    </Section>
  );
}
