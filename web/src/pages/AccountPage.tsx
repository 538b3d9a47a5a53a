import { DefaultVisibility } from '../account/DefaultVisibility';
import { DeleteAccount } from '../account/DeleteAccount';
import { EmailForm } from '../account/EmailForm';
import { PasswordForm } from '../account/PasswordForm';
import { Sessions } from '../account/Sessions';
import { Usage } from '../account/Usage';
import { useMe, useSession } from '../auth/AuthProvider';
import { PageHeader } from '../ui/PageHeader';

export default function AccountPage() {
  const me = useMe();
  const session = useSession();
  return (
    <div className="page max-w-3xl">
      <PageHeader title="Account">Signed in as {session?.username}</PageHeader>
      <div className="divide-y divide-line border-t border-line">
        <EmailForm key={me?.email} current={me?.email ?? ''} />
        <PasswordForm />
        <Usage />
        <DefaultVisibility current={me?.default_visibility ?? 'public'} />
        <Sessions />
        <DeleteAccount userId={me?.id} />
      </div>
    </div>
  );
}
