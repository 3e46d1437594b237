/**
 * Access control. The server listens on the loopback address, but any page in any browser of this machine can send it requests,
 * and so can other users of the machine. Hence three checks before anything else:
 * - Host must be the address itself: a foreign name that resolves to 127.0.0.1 ("DNS rebinding") is refused;
 * - the path begins with a secret, which only the printed address contains;
 * - a command must come from the page itself: by POST, with its token in a header and, if the browser sends one, its Origin.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** 192 bits, in characters that need no escaping in a URL. */
export const newSecret = (): string => randomBytes(24).toString('base64url');

/** Compares in constant time; the lengths are not secret. */
export function sameSecret(given: unknown, expected: string): boolean {
  if (typeof given !== 'string') return false;
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const TOKEN_HEADER = 'x-splice-token';

const hostsOf = ({ socket: { localPort } }: IncomingMessage): string[] => [`127.0.0.1:${localPort}`, `localhost:${localPort}`];

export const isOwnHost = (request: IncomingMessage): boolean => hostsOf(request).includes(request.headers.host ?? '');

/** Whether a command can come from the page: a foreign page can neither read its token nor send the header without permission. */
export function isOwnCommand(request: IncomingMessage, token: string): boolean {
  const { origin, [TOKEN_HEADER]: given } = request.headers;
  const fromHere = origin === undefined || hostsOf(request).some((host) => origin === `http://${host}`);
  return fromHere && sameSecret(given, token);
}

/** Nothing from other servers, no inline script or style, no frames; no caching by default. */
export const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
};
