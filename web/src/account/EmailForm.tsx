import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';

import { queries } from '../api/queries';
import { changeEmail } from '../auth/account';
import { emailProblem } from '../auth/validation';
import { Button } from '../ui/Button';
import { TextField } from '../ui/Field';
import { useNotify } from '../ui/notifications';
import { InlineError } from '../ui/states';
import { Section } from './Section';
import { useConfirmation } from './useConfirmation';

export function EmailForm({ current }: { current: string }) {
  const client = useQueryClient();
  const notify = useNotify();
  const [email, setEmail] = useState(current);
  const [problem, setProblem] = useState<string | null>(null);
  const confirmation = useConfirmation();
  const save = useMutation({
    mutationFn: () => changeEmail(email.trim(), confirmation.password),
    onError: confirmation.onError,
    onSuccess: async () => {
      confirmation.reset();
      notify('Your e-mail address has been changed.');
      await client.invalidateQueries({ queryKey: queries.me().queryKey });
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const found = emailProblem(email);
    setProblem(found);
    if (found === null) save.mutate();
  };
  return (
    <Section title="E-mail" lead="Only you can see it.">
      <form onSubmit={submit} noValidate className="space-y-4">
        <TextField
          label="E-mail"
          type="email"
          autoComplete="email"
          value={email}
          error={problem}
          onChange={(event) => setEmail(event.target.value)}
        />
        {confirmation.field}
        <InlineError error={save.error} />
        <Button
          type="submit"
          busy={save.isPending}
          disabled={email.trim() === current || confirmation.missing}
        >
          Change e-mail
        </Button>
      </form>
    </Section>
  );
}
