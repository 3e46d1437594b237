/** Floods of connections to the page of a run that may open few files: the run goes on, and the page answers afterwards. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { previewsIn } from '../../cli/run/folder.js';
import { BIN, command, difference, leftIn, results, writeInputs } from './runs.js';

/** Files that the run's process may have open; it needs about 100. */
const FILES = 200;
const CONNECTIONS = 400;
const STEPS = 60;
/** Saves, at every second step, during which a flood goes on. */
const SAVES = 3;
/** For the page to answer again. */
const PATIENCE_MS = 30_000;

/** What each connection of a flood sends: to begin with, and then again and again. */
const FLOODS: Readonly<Record<string, (url: URL) => { readonly first: string; readonly again?: string }>> = {
  'half a header': () => ({ first: 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half' }),
  nothing: () => ({ first: '' }),
  'a letter at a time': () => ({ first: 'GET / HTTP/1.1\r\nX: ', again: 'a' }),
  'requests without the secret': ({ host }) => ({ first: '', again: `GET /events HTTP/1.1\r\nHost: ${host}\r\n\r\n` }),
  'commands whose body never ends': ({ host, pathname }) =>
    ({ first: `POST ${pathname}do/stop HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100000\r\n\r\n`, again: 'x' }),
  'streams of news that nobody reads': ({ host, pathname }) =>
    ({ first: `GET ${pathname}events HTTP/1.1\r\nHost: ${host}\r\n\r\n` }),
};

/** Holds connections open, and replaces those that the server closes, until `isOver`. Returns how many were opened. */
async function flood(url: URL, { first, again = '' }: ReturnType<(typeof FLOODS)[string]>, isOver: () => Promise<boolean>) {
  const open = new Set<Socket>();
  let opened = 0;
  while (!(await isOver())) {
    for (const socket of open) if (again) socket.write(again);
    while (open.size < CONNECTIONS) {
      const socket = connect(Number(url.port), url.hostname, () => socket.write(first));
      socket.pause().on('error', () => undefined).on('close', () => open.delete(socket));
      open.add(socket);
      opened++;
    }
    await sleep(100);
  }
  for (const socket of open) socket.destroy();
  return opened;
}

/** Milliseconds until the page answers. @throws Error when it does not */
async function answered(url: URL): Promise<number> {
  const began = performance.now();
  while (performance.now() - began < PATIENCE_MS) {
    const page = await fetch(url, { headers: { connection: 'close' } }).catch(() => undefined);
    if (page?.ok && (await page.text()).includes('<!doctype html>')) return performance.now() - began;
    await sleep(100);
  }
  throw new Error(`the page did not answer in ${PATIENCE_MS / 1000} s`);
}

/** Starts a run with a page and few files. Returns its address, its end, and a way to stop it. */
async function watchedRun(args: readonly string[]) {
  const limited = ['-c', `ulimit -n ${FILES}; exec "$@"`, 'sh', process.execPath, BIN, ...args, '--watch'];
  const child = spawn('sh', limited, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += text));
  const ended = new Promise<string>((resolve) => {
    child.once('close', (code) => resolve(code === 0 ? '' : `the run ended with ${code}: ${stderr}`));
  });
  const address = (): string | undefined => /watch it at (http:\S+)/.exec(stderr)?.[1];
  while (!address() && child.exitCode === null) await sleep(20);
  if (!address()) throw new Error(`the run did not begin: ${stderr}`);
  return { url: new URL(address()!), ended, isRunning: () => child.exitCode === null, stop: () => child.kill('SIGKILL') };
}

/** Returns a line for each flood that the run or its page did not survive. */
export async function floodRun(say: (line: string) => void): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'splice-gpu-flood-'));
  const [whole, out] = [join(folder, 'whole'), join(folder, 'out')];
  try {
    const args = [...(await writeInputs('transfer', folder)), '--steps', String(STEPS)];
    const undisturbed = await command([...args, '--out', whole]);
    if (undisturbed.code !== 0) throw new Error(`the undisturbed run failed: ${undisturbed.stderr}`);
    const { url, ended, isRunning, stop } = await watchedRun([...args, '--out', out]);
    const saves = async (): Promise<number> => (await previewsIn(out)).length;
    const failures: string[] = [];
    try {
      for (const [name, messages] of Object.entries(FLOODS)) {
        const before = await saves();
        const opened = await flood(url, messages(url), async () => !isRunning() || (await saves()) >= before + SAVES);
        if (!isRunning()) break;
        const ms = await answered(url);
        say(`${opened} connections that send ${name}: the run went on, the page answered ${ms.toFixed(0)} ms after them`);
      }
    } catch (error) {
      stop();
      failures.push((error as Error).message);
    }
    const problem = (await ended) || difference(results(out), results(whole)) || leftIn(out).map((name) => `left ${name}`)[0];
    return problem ? [...failures, problem] : failures;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
