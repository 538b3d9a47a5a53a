import '@testing-library/jest-dom/vitest';

import { cleanup, configure } from '@testing-library/react';
import { afterEach, beforeEach, vi } from 'vitest';

// How long findBy… and waitFor wait for the page; the default of 1 s is too short on a busy machine.
configure({ asyncUtilTimeout: 15_000 });

// jsdom has blobs but no promises of what they hold.
Blob.prototype.arrayBuffer = function (this: Blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as ArrayBuffer);
    reader.onerror = () => reject(new Error('the file cannot be read'));
    reader.readAsArrayBuffer(this);
  });
};

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
  // jsdom has dialogs but can't open them.
  HTMLDialogElement.prototype.showModal = function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function (this: HTMLDialogElement) {
    this.open = false;
  };
  HTMLCanvasElement.prototype.getContext = () => null;
  window.scrollTo = vi.fn();
});

afterEach(() => {
  cleanup();
  // Files share one document.
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});
