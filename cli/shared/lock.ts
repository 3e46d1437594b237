/**
 * One process per output folder. Each that wants a folder puts a file with a name of its own there and then looks for others: of two
 * that come at the same moment at least one sees the other, and taking away what a killed process left can hit nobody else's file.
 * A process is known by its number and its start, so that a number given out again does not count as the old process.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InputError } from './errors.js';
import { writeFileAtomic } from './files.js';

interface Holder {
  readonly pid: number;
  /** When the process started, in the system's own terms; empty where that is not known. */
  readonly start: string;
  /** The machine, and which start of it where that is known. */
  readonly host: string;
  readonly boot: string;
  readonly since: string;
}

const NAME = /^\.running-[0-9a-f]+\.json$/;
/** Two that came at the same moment may both step back: they look again after a while of random length. */
const ATTEMPTS = 3;
const PAUSE_MS = 100;

/**
 * Takes `folder` for this process; the answer gives it up. A process that ends, however it ends, holds nothing any more.
 * @throws InputError naming the process that has it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const name = `.running-${randomBytes(6).toString('hex')}.json`;
  const release = () => rm(join(folder, name), { force: true });
  const me = await thisProcess();
  for (let attempt = 1; ; attempt++) {
    await writeFileAtomic(join(folder, name), JSON.stringify(me) + '\n');
    const other = await liveHolder(folder, name, me);
    if (!other) return release;
    await release();
    if (attempt === ATTEMPTS) throw new InputError(refusal(folder, other, me));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (0.5 + Math.random())));
  }
}

/** Whether a process has `folder`, for those who only look: nothing is taken away. */
export async function isHeld(folder: string): Promise<boolean> {
  const me = await thisProcess();
  for (const name of (await readdir(folder)).filter((file) => NAME.test(file))) {
    const holder = parseHolder(await readFile(join(folder, name), 'utf8').catch(() => ''));
    if (holder && (await isAlive(holder, me))) return true;
  }
  return false;
}

const thisProcess = async (): Promise<Holder> => ({ pid: process.pid, ...(await thisBoot()), start: (await startOf(process.pid)) ?? '', since: new Date().toISOString() });

interface Other extends Holder {
  readonly path: string;
}

/** Whoever else has the folder. What dead processes left is taken away. */
async function liveHolder(folder: string, own: string, me: Holder): Promise<Other | undefined> {
  for (const name of (await readdir(folder)).filter((file) => NAME.test(file) && file !== own)) {
    const path = join(folder, name);
    const holder = parseHolder(await readFile(path, 'utf8').catch(() => ''));
    if (holder && (await isAlive(holder, me))) return { ...holder, path };
    await rm(path, { force: true });
  }
  return undefined;
}

function refusal(folder: string, { pid, host, since, path }: Other, me: Holder): string {
  if (host === me.host) return `${folder} is in use by a run that goes on (process ${pid}, since ${since}): wait for it or stop it, or choose another folder`;
  return `${folder} is in use by process ${pid} on ${host} since ${since}: wait for it or stop it; if it is gone, delete ${path}`;
}

/** Undefined for what is no such file, or a damaged one: they are written in one go, so it is nobody's. */
function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, start, host, boot, since } = JSON.parse(text) as Record<keyof Holder, unknown>;
    const isHolder = Number.isSafeInteger(pid) && (pid as number) > 0 && [start, host, boot, since].every((value) => typeof value === 'string');
    return isHolder ? ({ pid, start, host, boot, since } as Holder) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process is still there. Of other machines nothing is known, so theirs are. */
async function isAlive({ pid, start, host, boot }: Holder, me: Holder): Promise<boolean> {
  if (host !== me.host) return true;
  if (boot !== me.boot || !exists(pid)) return false;
  const now = await startOf(pid);
  return now === undefined || start === '' || now === start;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Start of a process in clock ticks since the machine's; `gone` when only its exit code is left; undefined where the system does not tell. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name, in brackets, may hold anything; behind it stand the state and, 19 fields on, the start (proc_pid_stat(5)).
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields && ['Z', 'X'].includes(fields[0]!)) return 'gone';
  return fields?.[19];
}

async function thisBoot(): Promise<{ host: string; boot: string }> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return { host: hostname(), boot: boot.trim() };
}
