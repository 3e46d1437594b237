/** One HTTP request for a part of a file: proxies, redirects and a watchdog. */
import type { Dispatcher, Response } from 'undici';
import { proxyFor } from './proxy.js';

/** Another attempt may help: the connection was cut, or the server is busy. */
export class TransientError extends Error { override readonly name = 'TransientError'; }

export interface RequestOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Longest wait for a connection and the beginning of an answer. */
  readonly answerMs: number;
  /** Longest silence between two pieces of it. */
  readonly silenceMs: number;
}

/** An answer and its connection. */
export interface Answer {
  readonly response: Response;
  /** The body piece by piece. @throws TransientError when it stops */
  readonly body: () => AsyncGenerator<Uint8Array>;
  readonly close: () => Promise<void>;
}

const MOST_REDIRECTS = 5;

/** An address without a user name and password, for messages and records. */
export const withoutPassword = (address: string): string => address.replace(/\/\/[^/?#]*@/g, '//');

/** The header for the name and password of an address. fetch refuses addresses that have them. */
function authorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '' && password === '') return {};
  return { authorization: `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}` };
}

/** A percent sign that begins no code is one of its own. */
const decoded = (text: string): string => {
  try {
    return text.replace(/(%[0-9a-f]{2})+/gi, decodeURIComponent);
  } catch {
    return text; // not UTF-8
  }
};

/**
 * @throws TransientError without a connection or an answer, the signal's reason when it is aborted, Error for a redirect that
 * is not followed
 */
export async function request(address: string, options: RequestOptions): Promise<Answer> {
  let url = new URL(withoutPassword(address));
  const { origin } = url;
  const secret = authorization(new URL(address));
  for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
    const headers = { ...options.headers, ...(url.origin === origin && secret) };
    const answer = await requestOnce(url, { ...options, headers });
    const target = answer.response.headers.get('location');
    if (answer.response.status < 300 || answer.response.status >= 400 || !target) return answer;
    await answer.close();
    const next = new URL(target, url);
    [next.username, next.password] = ['', ''];
    const isLessSafe = next.protocol !== 'https:' && next.protocol !== url.protocol;
    if (isLessSafe) throw new Error(`${url.href} redirects to ${next.protocol} on ${next.host}, which is less safe: refused`);
    url = next;
  }
  throw new Error(`${withoutPassword(address)} redirects more than ${MOST_REDIRECTS} times`);
}

async function requestOnce(url: URL, { headers, signal, answerMs, silenceMs }: RequestOptions): Promise<Answer> {
  const { fetch, ...agents } = await import('undici'); // slow to load, and most runs fetch nothing
  const dispatcher = dispatcherFor(url, answerMs, agents);
  const watchdog = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const expect = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => watchdog.abort(new TransientError(`nothing arrived for ${ms / 1000} s`)), ms);
  };
  const close = async (): Promise<void> => {
    clearTimeout(timer);
    watchdog.abort(new TransientError('closed'));
    await dispatcher.destroy().catch(() => undefined);
  };
  const failed = async (error: unknown): Promise<never> => {
    await close();
    signal.throwIfAborted();
    throw error instanceof TransientError ? error : new TransientError(reasonOf(error), { cause: error });
  };
  expect(answerMs);
  const both = AbortSignal.any([signal, watchdog.signal]);
  // Uncompressed: lengths and positions are those of the file.
  const init = { dispatcher, headers: { 'accept-encoding': 'identity', ...headers }, redirect: 'manual', signal: both } as const;
  const response = await fetch(url, init).catch(failed);
  expect(silenceMs);
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of response.body ?? []) {
        expect(silenceMs);
        yield piece as Uint8Array;
      }
    } catch (error) {
      await failed(error);
    }
  }
  return { response, body, close };
}

type Agents = Pick<typeof import('undici'), 'Agent' | 'ProxyAgent'>;

function dispatcherFor(url: URL, connectMs: number, { Agent, ProxyAgent }: Agents): Dispatcher {
  const proxy = proxyFor(url);
  // The watchdog is the only clock, except for connecting, which undici would limit to ten seconds.
  const times = { headersTimeout: 0, bodyTimeout: 0, connect: { timeout: connectMs } };
  return proxy ? new ProxyAgent({ uri: proxy, ...times }) : new Agent(times);
}

/** The cause of `fetch failed`, a message without a reason. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, message } = cause as NodeJS.ErrnoException;
  return reasons[code ?? ''] ?? (message || code || String(cause));
}

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the host name is unknown: no network?',
  EAI_AGAIN: 'the host cannot be looked up: no network?',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  ENETUNREACH: 'the network cannot be reached',
};
