/** The queue's jobs, and what is noted of them in Redis: names, hashes and counts alone. */
import type { Job, Queue } from 'bullmq';
import { version } from '../shared/version.js';
import { loadBull } from './optional.js';
import type { Connected } from './redis.js';
import { isHash, type Hash } from './place.js';

/** Of all keys. */
export const PREFIX = 'splice-gpu';
/** Workers of another version compute other bytes, so they have a queue of their own. */
export const queueName = (of = version()): string => `jobs-${of}`;
/** A set of the jobs that are to be stopped. */
export const CANCELLED = `${PREFIX}:cancelled`;

/** Tries of a job that fails, or that ends its worker without having saved anything new. */
export const TRIES = 3;

/** What is known of a job that was begun. */
export interface Progress {
  /** Steps done and in all, those of the warm start included. */
  readonly done?: number;
  readonly total?: number;
  /** All that trained it, the newest last. */
  readonly workers: readonly string[];
  readonly device?: string;
  /** Times that it was taken since it last saved something. */
  readonly tries: number;
  /** The run's files, as `readList` takes them, and the log of its processes. */
  readonly state?: Hash;
  readonly log?: Hash;
}

export interface Result {
  readonly state: Hash;
  readonly workers: readonly string[];
  readonly device?: string;
}

export type QueueJob = Job<object, Result, string, Progress>;
export type JobQueue = Queue<object, Result, string>;

const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown): value is string => typeof value === 'string';

const NOTED: Readonly<Record<keyof Progress, (value: unknown) => boolean>> = {
  done: isWhole, total: isWhole, tries: isWhole, device: isText, state: isHash, log: isHash, workers: Array.isArray,
};

/** What a job has noted; empty before it is taken. Whoever reaches Redis can write something else there, which is left out. */
export function progressOf({ progress }: Pick<QueueJob, 'progress'>): Progress {
  const all = Object.entries(typeof progress === 'object' && progress !== null ? progress : {});
  const found: Partial<Progress> = Object.fromEntries(all.filter(([name, value]) => NOTED[name as keyof Progress]?.(value)));
  return { tries: 0, ...found, workers: namesIn(found.workers) };
}

export const namesIn = (workers: unknown): readonly string[] => (Array.isArray(workers) ? workers.filter(isText) : []);

/** To be closed. */
export async function openQueue({ client }: Connected): Promise<JobQueue> {
  const { Queue } = await loadBull();
  // Results stay until they are fetched; "queue clean" removes them.
  const defaultJobOptions = { attempts: TRIES, removeOnComplete: false, removeOnFail: false } as const;
  const queue: JobQueue = new Queue(queueName(), { connection: client, prefix: PREFIX, defaultJobOptions });
  queue.on('error', () => undefined); // the connection tells for how long
  return queue;
}

/** What a worker tells of itself. */
export interface WorkerNote {
  readonly name: string;
  readonly version: string;
  readonly device?: string;
  /** Name of the job that it trains. */
  readonly job?: string;
  readonly done?: number;
  readonly total?: number;
}

/** After so many seconds without news a worker is forgotten. */
const FORGOTTEN_S = 60;

export const tellWorker = async ({ client }: Connected, note: WorkerNote): Promise<void> =>
  void (await client.set(`${PREFIX}:worker:${note.name}`, JSON.stringify(note), 'EX', FORGOTTEN_S));

export const forgetWorker = async ({ client }: Connected, name: string): Promise<void> =>
  void (await client.del(`${PREFIX}:worker:${name}`));

/** Workers of all versions. */
export async function workersOf({ client }: Connected): Promise<WorkerNote[]> {
  const notes: WorkerNote[] = [];
  for (let cursor = '0'; ; ) {
    const [next, keys] = await client.scan(cursor, 'MATCH', `${PREFIX}:worker:*`, 'COUNT', 1000);
    const texts = keys.length > 0 ? await client.mget(keys) : [];
    for (const text of texts) if (text !== null) notes.push(JSON.parse(text) as WorkerNote);
    if (next === '0') return notes.sort((a, b) => a.name.localeCompare(b.name));
    cursor = next;
  }
}

/** A line when no worker here can take this version's jobs though there are others; undefined otherwise. */
export function versionNote(workers: readonly WorkerNote[]): string | undefined {
  const others = [...new Set(workers.map((worker) => worker.version).filter((each) => each !== version()))];
  if (others.length === 0) return undefined;
  return `note: there are workers of version ${others.join(', ')}: they leave jobs of this one, ${version()}, alone`;
}
