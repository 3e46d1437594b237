/** config.json: the record of a run in its folder, and whether the run can be resumed from it. */
import { join } from 'node:path';
import { fileError, InputError, UsageError } from '../shared/errors.js';
import { settingsText, show, type Fields } from '../../model/method/saved.js';
import type { Identity } from './checkpoints.js';
import { readText } from '../shared/read.js';


export { checkLike, checkMethod, settingsText, show, type Fields } from '../../model/method/saved.js';

export const TRAININGS = ['transfer', 'train', 'pretrain'] as const;
export type TrainingName = (typeof TRAININGS)[number];

/** The remedy for a damaged file of a run. */
export const RESTORE = 'put the file back as it was, or start a new run with another --out';

/** The options of `--resume` on the command line; the rest is in the folder. */
export interface ResumeOptions {
  readonly folder: string;
  /** Steps in all; as before when absent. */
  readonly steps?: number;
  /** When the run ends before its last step, as `transfer --until`; as before when absent. */
  readonly until?: string;
  /** Strengths whose pictures are made at the end, as `transfer --strength`; as before when absent. */
  readonly strength?: readonly number[];
  readonly json: boolean;
  /** Port of the page that shows the run, 0 for any free one; no page when absent. */
  readonly watch?: number;
}

/** @throws InputError when config.json is missing or unreadable */
export async function readConfig(folder: string): Promise<Fields> {
  const path = join(folder, 'config.json');
  const text = await readText(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw fileError(path, error);
    throw new InputError(`${folder} holds no run (there is no ${path}): give the --out folder of a run`, { cause: error });
  });
  return describing(path, () => {
    try {
      return objectOf('the file', JSON.parse(text));
    } catch (error) {
      throw error instanceof SyntaxError ? new Error('it is not JSON', { cause: error }) : error;
    }
  });
}

/** The training that a run is of; runs of version 0.1 do not name it. Undefined for other results. */
export function trainingOf({ command, kind, options, structure, photosSha256 }: Fields): TrainingName | undefined {
  if (command !== undefined) return TRAININGS.find((name) => name === command);
  if (photosSha256 !== undefined) return 'pretrain';
  if (kind !== undefined) return kind === 'general generator' ? 'train' : undefined;
  return options !== undefined && structure !== undefined ? 'transfer' : undefined;
}

/** The config of a run that `command` can resume. @throws InputError naming the right command for another kind of run */
export async function readConfigOf(command: TrainingName, folder: string): Promise<Fields> {
  const config = await readConfig(folder);
  const found = trainingOf(config);
  if (found === undefined) {
    const path = join(folder, 'config.json');
    throw new InputError(`${path} does not describe a training: give the --out folder of a ${command} run`);
  }
  if (found !== command) {
    throw new InputError(`${folder} holds a run of ${found}: resume it with ${resumeCommand(found, folder)}`);
  }
  if (config['command'] === undefined && found === 'pretrain') {
    const remedy = 'start a new one, with --init to begin with its weights';
    throw new InputError(`${folder} holds a pretraining of version 0.1, which this version cannot resume: ${remedy}`);
  }
  return config;
}

/** The result of `parse` for a folder's config. @throws InputError naming the file when `parse` throws */
export const parseConfig = <T>(folder: string, parse: () => T): T => describing(join(folder, 'config.json'), parse);

function describing<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new InputError(`${path} does not describe a run (${(error as Error).message}): ${RESTORE}`, { cause: error });
  }
}

/** An entry of an identity in one form: version 0.1 wrote settings in another order and kept their steps. */
function canonical(entry: string | undefined): string | undefined {
  return entry?.startsWith('{') ? settingsText(JSON.parse(entry) as Fields) : entry;
}

/**
 * @param sources paths of photos and weights, by their names in the identity
 * @throws InputError naming what is not as it was when the run began
 */
export function checkIdentity(folder: string, saved: Identity, now: Identity, sources: Readonly<Record<string, string>>): void {
  const names = new Set([...Object.keys(now), ...Object.keys(saved)]);
  const changed = [...names].find((name) => canonical(saved[name]) !== canonical(now[name]));
  if (changed === undefined) return;
  const where = sources[changed];
  if (where) {
    const remedy = 'put that one back, or start a new run with another --out';
    throw new InputError(`${where} is not the ${changed} that the run in ${folder} began with: ${remedy}`);
  }
  throw new InputError(`${join(folder, 'config.json')} does not have the ${changed} that the run began with: ${RESTORE}`);
}

/** @throws UsageError when the run has more steps than `steps` already */
export function checkSteps(steps: number, stepsDone: number): void {
  if (steps >= stepsDone) return;
  throw new UsageError(`--steps ${steps} is below the ${stepsDone} steps that are done already: give ${stepsDone} or more`);
}

export function objectOf(name: string, value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Error(`${name} is ${show(value)}`);
}

export function textOf(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  throw new Error(`${name} is ${show(value)}`);
}

export function wholeOf(name: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw new Error(`${name} is ${show(value)}`);
}

/** The command line that resumes the run in a folder. */
export const resumeCommand = (training: TrainingName, folder: string): string =>
  `splice-gpu ${training} --resume ${inShell(folder)}`;

/** The command line of a branch, with STEP in place of the step, and words in place of what is to be chosen. */
export const branchCommand = (folder: string): string =>
  `splice-gpu transfer --from ${inShell(`${folder}@STEP`)} --set NAME=VALUE --out DIR`;

/** The command line that makes a picture of a finished run at a strength, with STRENGTH in its place. */
export const strengthCommand = (folder: string): string => `${resumeCommand('transfer', folder)} --strength STRENGTH`;

/** The command line that shows a run. */
export const viewCommand = (folder: string): string => `splice-gpu view ${inShell(folder)}`;

/** A path as it is typed: where single quotes exist, nothing inside them is expanded. */
function inShell(path: string): string {
  if (/^[\w./@-]+$/.test(path)) return path;
  return process.platform === 'win32' ? `"${path}"` : `'${path.replaceAll("'", `'\\''`)}'`;
}
