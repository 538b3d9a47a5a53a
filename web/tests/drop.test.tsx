import { createEvent, fireEvent, screen } from '@testing-library/react';
import { beforeEach, expect, it } from 'vitest';
import { useLocation } from 'react-router';

import { session } from '../src/auth/session';
import { DropZone } from '../src/upload/DropZone';
import { UploadProvider, useUploads } from '../src/upload/UploadProvider';
import { useDropAnywhere } from '../src/upload/useDropAnywhere';
import { renderAt, tokenFor } from './stage';

function Site() {
  useDropAnywhere();
  const { pathname } = useLocation();
  const titles = useUploads().map(({ details }) => details.title);
  return (
    <>
      <p data-testid="place">{`${pathname} ${titles.join()}`}</p>
      <DropZone onFiles={() => undefined} />
    </>
  );
}

const show = () =>
  renderAt(
    <UploadProvider>
      <Site />
    </UploadProvider>,
    '/tags',
  );
const files = { types: ['Files'], files: [new File(['x'], 'walk.mp4', { type: 'video/mp4' })] };
const place = () => screen.getByTestId('place');

function drop(target: Element): boolean {
  const event = createEvent.drop(target, { dataTransfer: files });
  fireEvent(target, event);
  return event.defaultPrevented;
}

beforeEach(() => session.signIn({ accessToken: tokenFor(600), username: 'mara' }));

it('a file may be dropped on any page', () => {
  show();
  expect(drop(document.body)).toBe(true);
  expect(place()).toHaveTextContent('/upload walk');
});

it('a drop zone takes its files itself', () => {
  show();
  expect(drop(screen.getByRole('group', { name: 'Choose video files' }))).toBe(true);
  expect(place()).toHaveTextContent('/tags');
});

it('a picture of the page is not taken', () => {
  show();
  fireEvent.dragStart(place());
  expect(drop(document.body)).toBe(false);
  fireEvent.dragEnd(place());
  expect(drop(document.body)).toBe(true);
});

it('who is not logged in is asked to', () => {
  session.signOut();
  show();
  expect(drop(document.body)).toBe(true);
  expect(place()).toHaveTextContent('/login');
});
