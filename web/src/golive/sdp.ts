/** What WHIP (RFC 9725) needs of session descriptions and headers. */

const CREDENTIALS = /^a=ice-(ufrag|pwd):(.*)$/gm;

export interface Credentials {
  username: string;
  password: string;
}

/** The ICE credentials that a description or a fragment has. */
export function credentialsOf(sdp: string): Credentials {
  const found = new Map<string, string>();
  for (const [, name = '', value = ''] of sdp.matchAll(CREDENTIALS)) {
    if (!found.has(name)) found.set(name, value.trim());
  }
  return { username: found.get('ufrag') ?? '', password: found.get('pwd') ?? '' };
}

/** The body that tells the server of candidates, or of new credentials (RFC 8840). */
export function fragmentOf(sdp: string, candidates: readonly string[]): string {
  const { username, password } = credentialsOf(sdp);
  const section = /^m=.*$/m.exec(sdp)?.[0].trim() ?? '';
  const mid = /^a=mid:.*$/m.exec(sdp)?.[0].trim() ?? '';
  const lines = [
    `a=ice-ufrag:${username}`,
    `a=ice-pwd:${password}`,
    section,
    mid,
    ...candidates.map((candidate) => `a=${candidate}`),
  ];
  return lines
    .filter((line) => line !== '')
    .map((line) => `${line}\r\n`)
    .join('');
}

/** The server's answer of before with the credentials and candidates of its fragment. */
export function answerAfterRestart(answer: string, fragment: string): string {
  const { username, password } = credentialsOf(fragment);
  const candidates = linesOf(fragment).filter((line) => line.startsWith('a=candidate:'));
  let placed = false;
  const lines = linesOf(answer).flatMap((line) => {
    if (line.startsWith('a=candidate:') || line === 'a=end-of-candidates') return [];
    if (line.startsWith('a=ice-ufrag:')) return [`a=ice-ufrag:${username}`];
    if (!line.startsWith('a=ice-pwd:')) return [line];
    const first = placed ? [] : candidates;
    placed = true;
    return [`a=ice-pwd:${password}`, ...first];
  });
  return lines.map((line) => `${line}\r\n`).join('');
}

/** The STUN and TURN servers of a Link header. */
export function iceServersOf(link: string | null): RTCIceServer[] {
  const found = (link ?? '').matchAll(/<([^>]*)>((?:\s*;\s*[a-z-]+="[^"]*")*)/g);
  return [...found].flatMap(([, urls = '', rest = '']) => {
    const parameters = new Map(
      [...rest.matchAll(/([a-z-]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
    );
    if (parameters.get('rel') !== 'ice-server') return [];
    const username = parameters.get('username');
    const credential = parameters.get('credential');
    return [{ urls, ...(username && credential ? { username, credential } : {}) }];
  });
}

function linesOf(sdp: string): string[] {
  return sdp.split(/\r?\n/).filter((line) => line !== '');
}
