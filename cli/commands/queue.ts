/** `splice-gpu worker` and `splice-gpu queue`: options only. */
import { Argument, Command } from 'commander';
import { COMMANDS, type ManageOptions } from '../queue/manage.js';
import type { WorkOptions } from '../queue/worker.js';
import { jsonOption, option, withOptions } from './options.js';
import { notNegative, positive } from './values.js';

export const queueOption = () =>
  option('--queue <url>', 'Redis, as redis://HOST/0, or rediss:// for TLS; its password comes from SPLICE_GPU_QUEUE_PASSWORD');
export const storeOption = () =>
  option('--store <url>', 'where photos, weights and results lie: file:///FOLDER that all machines see, or s3://BUCKET/PREFIX, '
    + 'with ?endpoint=URL&path-style=yes&region=NAME as needed');

const WORKER_EXAMPLE = `
A job whose worker is killed goes on from its last save on another one. Ctrl-C and termination finish the step, save, and hand the
job back. The queue needs npm install bullmq ioredis, a store at s3:// also @aws-sdk/client-s3.

Example:
  $ splice-gpu worker --queue redis://queue.lan/0 --store file:///mnt/splice`;

interface Parsed extends Omit<WorkOptions, 'untilEmpty' | 'json'> {
  readonly untilEmpty?: boolean;
  readonly json?: boolean;
}

export const workerCommand = (run: (options: WorkOptions) => Promise<void>): Command =>
  withOptions(new Command('worker').description('train the jobs of a queue, which batch --queue fills'), [
    queueOption().makeOptionMandatory(),
    storeOption().makeOptionMandatory(),
    option('--scratch <dir>', 'folder for the files of a job in progress (default: in the cache folder)'),
    option('--lease <seconds>', 'a job whose worker is silent for so long goes to another worker', positive, 120),
    option('--patience <seconds>', 'so long Redis or the store may be away', positive, 600),
    option('--upload-every <seconds>', 'least time between two uploads of a run in progress; 0: every save', notNegative, 0),
    option('--until-empty', 'end when no job waits or is trained'),
    jsonOption('the summary as one JSON object'),
  ])
    .addHelpText('after', WORKER_EXAMPLE)
    .action(({ untilEmpty = false, json = false, ...rest }: Parsed) => run({ ...rest, untilEmpty, json }));

const QUEUE_EXAMPLE = `
  status          what waits, what is trained by whom, what failed and why
  pause, resume   workers take nothing new; they take jobs again
  cancel NAME     stops a job, or takes it out of the queue
  retry [NAME]    tries what failed again
  clean [NAME]    forgets what is done or failed; the files stay in the store

Example:
  $ splice-gpu queue status --queue redis://queue.lan/0`;

export const queueCommand = (run: (options: ManageOptions) => Promise<void>): Command =>
  withOptions(new Command('queue').description('show and direct the jobs of a queue')
    .addArgument(new Argument('<command>', 'what to do').choices(COMMANDS))
    .argument('[name]', 'name of a pair, or at least 8 letters of a job\'s hash'), [
    queueOption().makeOptionMandatory(), jsonOption(),
  ])
    .addHelpText('after', QUEUE_EXAMPLE)
    .action((command: ManageOptions['command'], name: string | undefined, options: Pick<Parsed, 'queue' | 'json'>) =>
      run({ command, ...(name !== undefined && { name }), json: false, ...options }));
