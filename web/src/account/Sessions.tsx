import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Monitor, Smartphone } from 'lucide-react';
import { useNavigate } from 'react-router';

import type { LoginSession } from '../api/models';
import { queries } from '../api/queries';
import { endSession, logOutEverywhere } from '../auth/account';
import { Ago } from '../ui/Ago';
import { Button } from '../ui/Button';
import { useNotify } from '../ui/notifications';
import { InlineError } from '../ui/states';
import { deviceName, isPhone } from './device';
import { Section } from './Section';

export function Sessions() {
  const { data: sessions, error, isPending } = useQuery(queries.sessions());
  return (
    <Section title="Where you’re logged in" lead="End a session that you don’t recognise.">
      {isPending && <div className="h-24 shimmer rounded-lg" />}
      <InlineError error={error} />
      <ul className="space-y-4">
        {sessions?.map((session) => (
          <li key={session.id}>
            <SessionRow session={session} />
          </li>
        ))}
      </ul>
      <LogOutEverywhere />
    </Section>
  );
}

function LogOutEverywhere() {
  const navigate = useNavigate();
  const notify = useNotify();
  const end = useMutation({
    mutationFn: async () => {
      await logOutEverywhere();
      await navigate('/login');
    },
    onSuccess: () => notify('You’re logged out everywhere.'),
  });
  return (
    <>
      <Button className="mt-5" variant="danger" busy={end.isPending} onClick={() => end.mutate()}>
        Log out everywhere
      </Button>
      <InlineError error={end.error} />
    </>
  );
}

function SessionRow({ session }: { session: LoginSession }) {
  const client = useQueryClient();
  const end = useMutation({
    mutationFn: () => endSession(session.id),
    onSettled: () => client.invalidateQueries({ queryKey: queries.sessions().queryKey }),
  });
  const Icon = isPhone(session.user_agent) ? Smartphone : Monitor;
  const device = deviceName(session.user_agent);
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
      <Icon className="h-6 w-6 shrink-0 text-edge" aria-hidden="true" />
      <div className="min-w-0 flex-1">
        <p className="truncate font-semibold">{device}</p>
        <p className="text-sm text-muted">
          {session.current ? (
            'This session'
          ) : (
            <>
              Last used <Ago iso={session.last_used_at} />
            </>
          )}
        </p>
      </div>
      {!session.current && (
        <Button
          size="sm"
          busy={end.isPending}
          aria-label={`End the session on ${device}`}
          onClick={() => end.mutate()}
        >
          End
        </Button>
      )}
      <InlineError error={end.error} />
    </div>
  );
}
