/**
 * One process per output folder. A process that wants a folder writes a file with a name of its own there, then looks for others.
 * Of two that come at the same moment, at least one sees the other; and removing the file of a killed process cannot remove
 * another's. A process is identified by its number and its start, since numbers are used again.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileError, InputError } from './errors.js';
import { parseJson, writeFileAtomic } from './files.js';
import { readText } from './read.js';

interface Holder {
  readonly pid: number;
  /** When the process started, in the system's own terms; empty where that is not known. */
  readonly start: string;
  /** The machine, and which start of it where that is known. */
  readonly host: string;
  readonly boot: string;
  /** The system's name for the set of process numbers, which a container has of its own; empty where that is not known. */
  readonly namespace: string;
  readonly since: string;
}

/** Bytes of a holder's description. */
const MAX_HOLDER = 1 << 16;
const NAME = /^\.running-[0-9a-f]+\.json$/;
/** Two that came at the same moment may both give up: they try again after a random pause. */
const ATTEMPTS = 3;
const PAUSE_MS = 100;
/** Longer than from a folder to its lock. */
const NEW_MS = 60_000;

/**
 * Takes `folder` for this process; the returned function releases it. A process that has ended holds nothing.
 * @throws InputError naming the process that has it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const name = `.running-${randomBytes(6).toString('hex')}.json`;
  // One that stays is that of a dead process soon; its error must not take the place of the one that ended the work.
  const release = () => remove(join(folder, name));
  const me = await thisProcess();
  for (let attempt = 1; ; attempt++) {
    await writeFileAtomic(join(folder, name), JSON.stringify(me) + '\n');
    const other = await liveHolder(folder, name, me).catch(async (error: unknown) => {
      await release();
      throw error;
    });
    if (!other) return release;
    await release();
    if (attempt === ATTEMPTS) throw new InputError(refusal(folder, other, me));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (0.5 + Math.random())));
  }
}

/** Whether a process has `folder`; removes nothing. */
export async function isHeld(folder: string): Promise<boolean> {
  const me = await thisProcess();
  const names = await locksIn(folder).catch(() => []); // it may have been deleted
  for (const name of names) {
    const holder = parseHolder(await readText(join(folder, name), MAX_HOLDER).catch(() => ''));
    if (holder && (await isAlive(holder, me))) return true;
  }
  return false;
}

/**
 * Whether the process that made `folder` is gone. A folder is there before its lock is, so one without a lock is taken to be
 * another process's until it is a minute old.
 */
export async function isAbandoned(folder: string): Promise<boolean> {
  const names = await locksIn(folder).catch(() => undefined);
  const { mtimeMs } = (await stat(folder).catch(() => undefined)) ?? {};
  if (names === undefined || mtimeMs === undefined) return false; // it has been deleted
  return (names.length > 0 || Date.now() - mtimeMs > NEW_MS) && !(await isHeld(folder));
}

/** A link is nobody's lock: in a stranger's folder it may lead anywhere. */
async function locksIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && NAME.test(entry.name)).map(({ name }) => name);
}

const remove = (path: string): Promise<void> => rm(path, { force: true }).catch(() => undefined);

const thisProcess = async (): Promise<Holder> => {
  const start = (await startOf(process.pid)) ?? '';
  return { pid: process.pid, ...(await thisBoot()), start, since: new Date().toISOString() };
};

interface Other extends Holder {
  readonly path: string;
}

/** Another process that has the folder. Files of dead processes are removed. */
async function liveHolder(folder: string, own: string, me: Holder): Promise<Other | undefined> {
  for (const name of (await locksIn(folder)).filter((file) => file !== own)) {
    const path = join(folder, name);
    const holder = parseHolder(await readText(path, MAX_HOLDER).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error instanceof InputError) return ''; // it was released, or is none
      throw fileError(path, error); // one that cannot be read may be that of a process in progress
    }));
    if (holder && (await isAlive(holder, me))) return { ...holder, path };
    await remove(path);
  }
  return undefined;
}

function refusal(folder: string, other: Other, me: Holder): string {
  const { pid, host, since, path } = other;
  const remedy = 'wait for it or stop it';
  if (isNear(other, me)) {
    return `${folder} is in use by a run in progress (process ${pid}, since ${since}): ${remedy}, or choose another folder`;
  }
  const where = host === me.host ? `another container of ${host}` : host;
  return `${folder} is in use by process ${pid} on ${where} since ${since}: ${remedy}; if it is gone, delete ${path}`;
}

/** Whether a process's number means the same to both. Processes of earlier versions do not say where theirs does. */
const isNear = (one: Holder, other: Holder): boolean => one.host === other.host
  && (one.boot !== other.boot || one.namespace === '' || other.namespace === '' || one.namespace === other.namespace);

/** Undefined for a damaged file: whole ones are written in one step, so a damaged one holds nothing. */
function parseHolder(text: string): Holder | undefined {
  const { pid, start, host, boot, namespace = '', since } = parseJson(text) ?? {};
  const areTexts = [start, host, boot, namespace, since].every((value) => typeof value === 'string');
  const isHolder = areTexts && Number.isSafeInteger(pid) && (pid as number) > 0;
  return isHolder ? ({ pid, start, host, boot, namespace, since } as Holder) : undefined;
}

/** Whether the process is still running. Processes of other machines and containers are taken to be. */
async function isAlive(holder: Holder, me: Holder): Promise<boolean> {
  if (!isNear(holder, me)) return true;
  const { pid, start, boot } = holder;
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

/** Start of a process in clock ticks since boot; `gone` when only its exit code is left; undefined if the system does not say. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name, in brackets, may hold anything. After it come the state and, 19 fields on, the start (proc_pid_stat(5)).
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields && ['Z', 'X'].includes(fields[0]!)) return 'gone';
  return fields?.[19];
}

async function thisBoot(): Promise<Pick<Holder, 'host' | 'boot' | 'namespace'>> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return { host: hostname(), boot: boot.trim(), namespace };
}
