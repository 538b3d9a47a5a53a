import type { ReactNode } from 'react';

import { LogoMark } from '../ui/Logo';
import { PageTitle } from '../ui/PageTitle';

interface AuthCardProps {
  title: string;
  lead: string;
  children: ReactNode;
  footer: ReactNode;
}

export function AuthCard({ title, lead, children, footer }: AuthCardProps) {
  return (
    <div className="mx-auto w-full max-w-md px-4 py-10 md:py-20">
      <PageTitle title={title} />
      <LogoMark className="mb-7 h-9 w-9 text-accent" />
      <h1 className="text-3xl font-extrabold tracking-tight">{title}</h1>
      <p className="mt-1.5 mb-8 text-muted">{lead}</p>
      {children}
      <p className="mt-8 border-t border-line pt-5 text-sm text-muted">{footer}</p>
    </div>
  );
}
