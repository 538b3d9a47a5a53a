import { vi } from 'vitest';

/** Answers every XMLHttpRequest by its path, with a body or a status; returns the paths. */
export function answerRequests(answer: (path: string) => string | number): string[] {
  const asked: string[] = [];
  class Answered {
    readyState = 0;
    status = 0;
    statusText = '';
    responseType = '';
    responseURL = '';
    responseText = '';
    response: string | ArrayBuffer = '';
    onreadystatechange: (() => void) | null = null;

    open(_method: string, url: string): void {
      this.readyState = 1;
      this.responseURL = url;
    }

    send(): void {
      const path = new URL(this.responseURL, window.location.origin).pathname;
      asked.push(path);
      const said = answer(path);
      setTimeout(() => this.#finish(said));
    }

    getAllResponseHeaders(): string {
      return '';
    }

    abort(): void {
      this.onreadystatechange = null;
    }

    #finish(said: string | number): void {
      const isBody = typeof said === 'string';
      this.readyState = 4;
      this.status = isBody ? 200 : said;
      this.responseText = isBody ? said : '';
      const bytes = new TextEncoder().encode(this.responseText);
      this.response = this.responseType === 'arraybuffer' ? bytes.buffer : this.responseText;
      this.onreadystatechange?.();
    }
  }
  vi.stubGlobal('XMLHttpRequest', Answered);
  return asked;
}
