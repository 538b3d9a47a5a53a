import { useMutation } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { Link, Navigate, useSearchParams } from 'react-router';

import { useIntent } from '../api/intent';
import { signUp } from '../auth/account';
import { AuthCard } from '../auth/AuthCard';
import { useSession } from '../auth/AuthProvider';
import { safeNext } from '../auth/next';
import { emailProblem, passwordProblem, usernameProblem } from '../auth/validation';
import { Button } from '../ui/Button';
import { TextField } from '../ui/Field';
import { InlineError } from '../ui/states';

interface Problems {
  username: string | null;
  email: string | null;
  password: string | null;
}

const NO_PROBLEMS: Problems = { username: null, email: null, password: null };

export default function SignUpPage() {
  const [params] = useSearchParams();
  const signedIn = useSession() !== null;
  const [username, setUsername] = useState('');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [problems, setProblems] = useState(NO_PROBLEMS);
  const intent = useIntent();
  const create = useMutation({
    mutationFn: (key: string) => signUp(username.trim(), email.trim(), password, key),
    onSettled: (_, error) => intent.settled(error),
  });
  if (signedIn) return <Navigate to={safeNext(params.get('next'))} replace />;

  const submit = (event: SyntheticEvent<HTMLFormElement>) => {
    event.preventDefault();
    const found: Problems = {
      username: usernameProblem(username),
      email: emailProblem(email),
      password: passwordProblem(password),
    };
    setProblems(found);
    const first = (['username', 'email', 'password'] as const).find((name) => found[name]);
    if (first === undefined) {
      create.mutate(intent.keyFor([username.trim(), email.trim(), password].join(' ')));
    } else event.currentTarget.querySelector<HTMLElement>(`[name=${first}]`)?.focus();
  };
  return (
    <AuthCard
      title="Sign up"
      lead="Then upload a film and watch it within seconds."
      footer={
        <>
          Already have an account?{' '}
          <Link
            to={`/login?${params.toString()}`}
            className="font-semibold text-link underline underline-offset-4"
          >
            Log in
          </Link>
        </>
      }
    >
      <form onSubmit={submit} noValidate className="space-y-5">
        <TextField
          label="Username"
          hint="Everyone can see it"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          maxLength={100}
          value={username}
          error={problems.username}
          onChange={(event) => setUsername(event.target.value)}
        />
        <TextField
          label="E-mail"
          hint="Only you can see it"
          name="email"
          type="email"
          autoComplete="email"
          required
          value={email}
          error={problems.email}
          onChange={(event) => setEmail(event.target.value)}
        />
        <TextField
          label="Password"
          hint="8 characters or more"
          name="password"
          type="password"
          autoComplete="new-password"
          required
          value={password}
          error={problems.password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <InlineError error={create.error} />
        <Button type="submit" variant="primary" className="w-full" busy={create.isPending}>
          Create account
        </Button>
      </form>
    </AuthCard>
  );
}
