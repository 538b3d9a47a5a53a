import type { ReactNode } from 'react';

import { PageTitle } from './PageTitle';

interface PageHeaderProps {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}

export function PageHeader({ title, children, action }: PageHeaderProps) {
  return (
    <header className="flex flex-wrap items-end justify-between gap-4 pt-7 pb-6 md:pt-10 md:pb-8">
      <PageTitle title={title} />
      <div className="min-w-0">
        <h1 dir="auto" className="text-3xl font-extrabold tracking-tight md:text-4xl">
          {title}
        </h1>
        {children && <div className="mt-1.5 text-muted">{children}</div>}
      </div>
      {action}
    </header>
  );
}
