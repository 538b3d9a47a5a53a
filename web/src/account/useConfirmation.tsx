import { type ReactNode, useState } from 'react';

import { toApiError } from '../api/errors';
import { TextField } from '../ui/Field';

const ASKING = new Set(['reauthentication_required', 'wrong_password']);

interface Confirmation {
  /** What to send along; undefined until the server has asked for it. */
  password: string | undefined;
  /** Whether the person still has to type something. */
  missing: boolean;
  field: ReactNode;
  onError: (error: unknown) => void;
  reset: () => void;
}

/** Asks for the password once the server wants it: it does not right after a login. */
export function useConfirmation(): Confirmation {
  const [asked, setAsked] = useState(false);
  const [password, setPassword] = useState('');
  return {
    password: asked ? password : undefined,
    missing: asked && password === '',
    field: asked && (
      <TextField
        label="Confirm with your password"
        type="password"
        autoComplete="current-password"
        value={password}
        onChange={(event) => setPassword(event.target.value)}
      />
    ),
    onError: (error) => {
      if (ASKING.has(toApiError(error).type)) setAsked(true);
    },
    reset: () => {
      setAsked(false);
      setPassword('');
    },
  };
}
