/** What a run writes down about itself. */
import { basename, dirname, join, resolve } from 'node:path';
import type { Figures } from '../../model/compare/judge.js';
import type { AdapterSummary } from '../gpu/device.js';
import type { Photo } from '../photos/photo.js';
import type { Inputs } from './inputs.js';
import type { LogEntry } from '../run/curve.js';
import type { Outputs } from '../run/folder.js';
import type { PngText } from '../photos/pngText.js';
import type { TransferOptions } from './transfer.js';
import { version } from '../shared/version.js';
import { AUTO_MODEL, type LoadedVit } from '../models/load.js';

const describePhoto = ({ path, sha256, format, width, height, image }: Photo) => ({
  path: resolve(path),
  sha256,
  format,
  size: [width, height],
  usedSize: [image.width, image.height],
});

/** What finds the same weights again: a name, also where `auto` chose it, or the file's whole path. */
function givenModel(model: string, { path, vit }: LoadedVit): string {
  if (model === AUTO_MODEL) return vit.name;
  return model === path ? resolve(path) : model;
}

/** Why and where a run was taken up again. */
export interface Continuation {
  /** The run's config.json so far. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Steps behind it, those of the warm start counted in. */
  readonly step: number;
  readonly reason: 'resumed' | 'device lost';
}

export type RunRecord = ReturnType<typeof describeRun>;

/** Everything needed to repeat the run, or to go on with it. */
export function describeRun(options: TransferOptions, { structure, appearance, model }: Inputs, adapter: AdapterSummary, continued?: Continuation) {
  const now = new Date().toISOString();
  const { started, resumed } = continued?.config ?? {};
  return {
    program: 'splice-gpu',
    version: version(),
    options: { ...options.splice, size: options.size ?? null, saveEvery: options.saveEvery },
    ...(options.generator && { generator: { path: resolve(options.generator.path), sha256: options.generator.sha256 } }),
    structure: describePhoto(structure),
    appearance: describePhoto(appearance),
    model: {
      given: givenModel(options.model, model),
      name: model.vit.name,
      path: resolve(model.path),
      sha256: model.sha256,
      config: model.vit.config,
    },
    device: adapter,
    started: typeof started === 'string' ? started : now,
    ...(continued && { resumed: [...(Array.isArray(resumed) ? (resumed as unknown[]) : []), { at: now, step: continued.step, reason: continued.reason, device: adapter }] }),
  };
}

/** Keyword of the model's hash in a result's text chunks. */
export const MODEL_KEYWORD = 'Model SHA-256';

/** What result.png says about itself: enough to repeat it, and its figures once it is finished. */
export const resultText = (record: RunRecord, steps: number, figures?: Figures): PngText => ({
  Software: `${record.program} ${record.version}`,
  Seed: String(record.options.seed),
  Steps: String(steps),
  Model: record.model.name,
  [MODEL_KEYWORD]: record.model.sha256,
  Settings: JSON.stringify({ ...record.options, structure: record.structure.sha256, appearance: record.appearance.sha256 }),
  ...(figures && { Figures: JSON.stringify(figures) }),
});

/** Metadata of generator.safetensors. */
export const generatorMetadata = (options: TransferOptions, { structure, appearance }: Inputs, steps: number): Record<string, string> => ({
  format: 'splice-gpu generator',
  recipe: options.splice.recipe,
  steps: String(steps),
  seed: String(options.splice.seed),
  structureSize: `${structure.image.width}x${structure.image.height}`,
  appearanceSize: `${appearance.image.width}x${appearance.image.height}`,
});

/** What is printed at the end. */
export function summarize(
  status: 'finished' | 'interrupted',
  record: RunRecord,
  log: readonly LogEntry[],
  outputs: Outputs,
  { stepsDone, seconds }: { stepsDone: number; seconds: number },
) {
  const last = log.at(-1);
  const recent = log.filter(({ step }) => step >= stepsDone - 50);
  return {
    status,
    out: resolve(outputs.folder),
    result: resolve(outputs.resultPath),
    recipe: record.options.recipe,
    model: record.model.name,
    seed: record.options.seed,
    stepsDone,
    seconds: Number(seconds.toFixed(3)),
    losses: last ?? null,
    meanTotalOfLast50Steps: recent.length > 0 ? recent.reduce((sum, { total }) => sum + total, 0) / recent.length : null,
    device: record.device,
  };
}

export const sentence = ({ status, result, stepsDone, seconds }: ReturnType<typeof summarize>): string =>
  `${status} after ${stepsDone} steps in ${seconds.toFixed(0)} s: ${result}`;

export const curveTitle = ({ splice, structure, appearance }: TransferOptions): string =>
  `${splice.recipe}: ${shortPath(structure)} as ${shortPath(appearance)}, seed ${splice.seed}`;

/** Folder and file: the folder often is the pair's name. */
const shortPath = (path: string): string => join(basename(dirname(resolve(path))), basename(path));
