import { useMutation } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { Link, Navigate, useSearchParams } from 'react-router';

import { logIn } from '../auth/account';
import { AuthCard } from '../auth/AuthCard';
import { useSession } from '../auth/AuthProvider';
import { safeNext } from '../auth/next';
import { Button } from '../ui/Button';
import { TextField } from '../ui/Field';
import { InlineError } from '../ui/states';

export default function LoginPage() {
  const [params] = useSearchParams();
  const signedIn = useSession() !== null;
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const login = useMutation({ mutationFn: () => logIn(username.trim(), password) });
  if (signedIn) return <Navigate to={safeNext(params.get('next'))} replace />;

  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (username.trim() !== '' && password !== '') login.mutate();
  };
  return (
    <AuthCard
      title="Log in"
      lead="Good to see you again."
      footer={
        <>
          New here?{' '}
          <Link
            to={`/signup?${params.toString()}`}
            className="font-semibold text-link underline underline-offset-4"
          >
            Sign up
          </Link>
        </>
      }
    >
      <form onSubmit={submit} className="space-y-5">
        <TextField
          label="Username"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          value={username}
          onChange={(event) => setUsername(event.target.value)}
        />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <InlineError error={login.error} />
        <Button type="submit" variant="primary" className="w-full" busy={login.isPending}>
          Log in
        </Button>
      </form>
    </AuthCard>
  );
}
