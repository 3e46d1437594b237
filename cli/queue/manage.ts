/** The work of `splice-gpu queue`: what a queue holds, and commands to it. */
import type { Parts } from '../run/parts.js';
import { UsageError } from '../shared/errors.js';
import { table } from '../shared/table.js';
import { CANCELLED, openQueue, progressOf, queueName, workersOf, type JobQueue, type QueueJob } from './jobs.js';
import { connectRedis, type Connected } from './redis.js';

export const COMMANDS = ['status', 'pause', 'resume', 'cancel', 'retry', 'clean'] as const;

export interface ManageOptions {
  readonly command: (typeof COMMANDS)[number];
  /** A pair's name, or the beginning of a job's; all jobs that the command is for when absent. */
  readonly name?: string;
  readonly queue: string;
  readonly json: boolean;
}

const STATES = ['active', 'wait', 'delayed', 'failed', 'completed'] as const;
/** What people call them. */
const WORDS: Readonly<Record<string, string>> = { active: 'in training', wait: 'waiting', delayed: 'waiting', completed: 'done' };
/** Jobs of a state that are shown. */
const MOST_SHOWN = 1000;

interface At {
  readonly queue: JobQueue;
  readonly redis: Connected;
  readonly name: string | undefined;
}

/** Returns the exit code. @throws UsageError when no job has the name */
export async function manageQueue({ command, name, queue: address, json }: ManageOptions, parts: Parts): Promise<number> {
  const redis = await connectRedis(address);
  try {
    const queue = await openQueue(redis);
    const { lines, ...summary } = await does[command]({ queue, redis, name });
    parts.stdout.write(json ? `${JSON.stringify(summary)}\n` : `${lines.join('\n')}\n`);
    await queue.close();
    return 0;
  } finally {
    redis.client.disconnect();
  }
}

type Done = { readonly lines: readonly string[] };

const counted = (jobs: readonly QueueJob[], what: string): Done & { readonly jobs: readonly string[] } =>
  ({ lines: [`${jobs.length} jobs ${what}`], jobs: jobs.map(({ name }) => name) });

const does: Readonly<Record<ManageOptions['command'], (at: At) => Promise<Done>>> = {
  status: async ({ queue, redis }) => {
    const [counts, workers, isPaused] = [await queue.getJobCounts(...STATES), await workersOf(redis), await queue.isPaused()];
    const jobs = await Promise.all((['active', 'wait', 'failed'] as const).map(async (state) =>
      ((await queue.getJobs([state], 0, MOST_SHOWN - 1)) as QueueJob[]).map((job) => describe(job, state))));
    const rows = jobs.flat().map(({ name, state, steps, about }) => [name, state, steps, about]);
    const how = STATES.map((state) => `${counts[state] ?? 0} ${WORDS[state] ?? state}`).filter((text) => !text.startsWith('0 '));
    return {
      lines: [
        `${queueName()}${isPaused ? ', paused' : ''}: ${how.join(', ') || 'no jobs'}; ${workers.length} workers`,
        ...(rows.length > 0 ? [table(rows, false)] : []),
        ...(workers.length > 0 ? [table(workers.map((each) =>
          [each.name, `version ${each.version}`, each.device ?? '', each.job ? `trains ${each.job}` : 'idle']), false)] : []),
      ],
      paused: isPaused, counts, workers, jobs: jobs.flat(),
    };
  },
  pause: async ({ queue }) => {
    await queue.pause();
    return { lines: ['paused: workers finish what they train, and take nothing new'] };
  },
  resume: async ({ queue }) => {
    await queue.resume();
    return { lines: ['resumed'] };
  },
  cancel: async ({ queue, redis, name }) => {
    if (name === undefined) throw new UsageError('cancel: give the name of a job, as "status" shows it');
    const jobs = await named(queue, name, ['active', 'wait', 'delayed']);
    for (const job of jobs) {
      await redis.client.sadd(CANCELLED, job.id!);
      // One that is trained is held by its worker, which hears of it within seconds.
      await job.remove().catch(() => undefined);
    }
    return counted(jobs, 'cancelled');
  },
  retry: async ({ queue, redis, name }) => {
    const jobs = await named(queue, name, ['failed']);
    for (const job of jobs) {
      await redis.client.srem(CANCELLED, job.id!);
      await job.updateProgress({ ...progressOf(job), tries: 0 });
      await job.retry('failed', { resetAttemptsMade: true });
    }
    return counted(jobs, 'are tried again');
  },
  clean: async ({ queue, redis, name }) => {
    const jobs = await named(queue, name, ['failed', 'completed']);
    for (const job of jobs) {
      await job.remove();
      await redis.client.srem(CANCELLED, job.id!);
    }
    return counted(jobs, 'removed; what they have stored stays in the store');
  },
};

async function named(queue: JobQueue, name: string | undefined, states: (typeof STATES)[number][]): Promise<QueueJob[]> {
  const all = (await queue.getJobs(states)) as QueueJob[];
  const jobs = all.filter((job) => name === undefined || job.name === name || (name.length >= 8 && job.id!.startsWith(name)));
  if (jobs.length > 0 || name === undefined) return jobs;
  const words = states.map((state) => WORDS[state] ?? state);
  throw new UsageError(`no job called "${name}" is ${[...new Set(words)].join(' or ')}: see "queue status"`);
}

function describe(job: QueueJob, state: string) {
  const { done, total, workers } = progressOf(job);
  const steps = done === undefined ? '' : `${done}/${total}`;
  const about = state === 'failed' ? job.failedReason ?? '' : state === 'active' ? workers.at(-1) ?? '' : '';
  return { id: job.id!, name: job.name, state: WORDS[state] ?? state, steps, about };
}
