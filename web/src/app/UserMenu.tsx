import { Clapperboard, LogOut, Radio, Settings, UserRound, Video } from 'lucide-react';
import { Link, useNavigate } from 'react-router';

import { logOut } from '../auth/account';
import { ThemeMenu } from './ThemeMenu';
import { Avatar } from '../ui/Avatar';
import { usePopup } from '../ui/usePopup';

const ITEM =
  'flex w-full items-center gap-3 rounded-md px-3 py-2.5 text-[0.9375rem] font-medium hover:bg-sunken';
const ICON = 'h-4 w-4 text-muted';

export function UserMenu({ username }: { username: string }) {
  const { open, container, toggle, close } = usePopup();
  const navigate = useNavigate();

  const leave = async () => {
    close();
    await navigate('/');
    // The session ends here even when the server can't be told.
    await logOut().catch(() => undefined);
  };

  return (
    <div ref={container} className="relative">
      <button
        type="button"
        aria-label={`Account menu of ${username}`}
        aria-expanded={open}
        aria-controls="user-menu"
        onClick={toggle}
        className="flex h-11 w-11 items-center justify-center rounded-full"
      >
        <Avatar name={username} />
      </button>
      {open && (
        <div
          id="user-menu"
          className="absolute right-0 z-40 mt-2 w-60 rounded-xl border border-line bg-surface p-1.5 shadow-xl"
        >
          <p className="truncate px-3 pt-2 pb-2.5 text-sm text-muted">
            Signed in as <strong className="text-ink">{username}</strong>
          </p>
          <ul className="border-t border-line pt-1.5">
            <li>
              <Link to={`/u/${encodeURIComponent(username)}`} className={ITEM} onClick={close}>
                <UserRound className={ICON} aria-hidden="true" /> My channel
              </Link>
            </li>
            <li>
              <Link to="/videos" className={ITEM} onClick={close}>
                <Clapperboard className={ICON} aria-hidden="true" /> My videos
              </Link>
            </li>
            <li>
              <Link to="/live/now" className={ITEM} onClick={close}>
                <Video className={ICON} aria-hidden="true" /> Go live
              </Link>
            </li>
            <li>
              <Link to="/live" className={ITEM} onClick={close}>
                <Radio className={ICON} aria-hidden="true" /> Live streams
              </Link>
            </li>
            <li>
              <Link to="/account" className={ITEM} onClick={close}>
                <Settings className={ICON} aria-hidden="true" /> Account
              </Link>
            </li>
            <li>
              <button type="button" className={ITEM} onClick={() => void leave()}>
                <LogOut className={ICON} aria-hidden="true" /> Log out
              </button>
            </li>
          </ul>
          <div className="mt-1.5 flex items-center justify-between border-t border-line pt-1.5 pl-3">
            <span className="text-sm text-muted">Theme</span>
            <ThemeMenu />
          </div>
        </div>
      )}
    </div>
  );
}
