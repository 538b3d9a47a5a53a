import { useMutation } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';

import { changePassword } from '../auth/account';
import { passwordProblem } from '../auth/validation';
import { Button } from '../ui/Button';
import { TextField } from '../ui/Field';
import { useNotify } from '../ui/notifications';
import { InlineError } from '../ui/states';
import { Section } from './Section';

export function PasswordForm() {
  const notify = useNotify();
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const save = useMutation({
    mutationFn: () => changePassword(current, next),
    onSuccess: () => {
      notify('Your password has been changed.');
      setCurrent('');
      setNext('');
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const found = passwordProblem(next);
    setProblem(found);
    if (found === null) save.mutate();
  };
  return (
    <Section title="Password" lead="8 characters or more.">
      <form onSubmit={submit} noValidate className="space-y-4">
        <TextField
          label="Current password"
          type="password"
          autoComplete="current-password"
          value={current}
          onChange={(event) => setCurrent(event.target.value)}
        />
        <TextField
          label="New password"
          type="password"
          autoComplete="new-password"
          value={next}
          error={problem}
          onChange={(event) => setNext(event.target.value)}
        />
        <InlineError error={save.error} />
        <Button type="submit" busy={save.isPending} disabled={current === '' || next === ''}>
          Change password
        </Button>
      </form>
    </Section>
  );
}
