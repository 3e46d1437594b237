/** The three trainings, short and on fake runs, for tests of what they have in common. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { pretrain, resumePretrain } from '../../cli/pretrain/pretrain.js';
import { writeImage } from '../../cli/photos/photo.js';
import type { ResumeOptions, TrainingName } from '../../cli/run/config.js';
import type { Parts } from '../../cli/run/parts.js';
import { resumeTrain, train } from '../../cli/train/train.js';
import { resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import { openRunFolder } from '../../cli/view/folder.js';
import { createEngine } from '../../engine/index.js';
import { defaultAnyPair, defaultSizes } from '../../model/anyPair/options.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { pretrainDefaults } from '../../model/pretraining/options.js';
import { untrainedVit } from '../../model/vit/untrained.js';
import { testDevice } from './device.js';
import { fakeParts, shortRun, type FakeBehaviour } from './fakeRun.js';
import { testImage } from './golden.js';
import { temporaryFile, temporaryFolder } from './pictures.js';
import { files, interruptedRun, newOut } from './runs.js';
import { tinyConfig } from './tinyVit.js';

const photos = temporaryFolder();
for (let i = 0; i < 6; i++) {
  await writeImage(join(photos, `${i}.png`), { width: 36, height: 36, data: testImage(`photo.${i}`, 36, 36) });
}
/** The weights of a tiny ViT. */
export const model = temporaryFile('tiny.safetensors', serializeSafetensors(untrainedVit(5, tinyConfig).weights));

/** Options of a new run that tests change. */
interface Change {
  readonly watch?: number;
  readonly force?: boolean;
  /** The ViT; in `pretrain` the teacher. */
  readonly model?: string;
  /** Weights that `pretrain` begins with. */
  readonly init?: string;
}

/** A training of 24 steps that is saved every 6. */
export interface ShortTraining {
  readonly name: TrainingName;
  /** Steps before the 24. */
  readonly warmStart: number;
  readonly start: (out: string, parts: Parts, change?: Change) => Promise<number>;
  readonly resume: (resume: ResumeOptions, parts: Parts) => Promise<number>;
}

export const trainings: readonly [ShortTraining, ShortTraining, ShortTraining] = [
  {
    name: 'transfer',
    warmStart: 4,
    start: (out, parts, change) =>
      transfer({ ...shortRun({ ...files, model, out }, { steps: 24, warmStart: 4 }), saveEvery: 6, ...change }, parts),
    resume: resumeTransfer,
  },
  {
    name: 'train',
    warmStart: 4,
    start: (out, parts, change) => train({
      structures: photos, appearances: photos, out, model, holdOut: 0, validateEvery: 6, shown: 0, force: false, json: false,
      anyPair: {
        ...defaultAnyPair, size: 36, vitSize: 12, steps: 24, warmStart: 4,
        sizes: { ...defaultSizes, channels: [4, 4, 4, 4, 4] },
      },
      ...change,
    }, parts),
    resume: resumeTrain,
  },
  {
    name: 'pretrain',
    warmStart: 0,
    start: (out, parts, { model: teacher, ...change } = {}) => pretrain({
      photos: [photos], out, force: false, json: false,
      options: {
        ...pretrainDefaults, dim: 8, heads: 1, imageSize: 16, localSize: 8, batch: 1, epochs: 4, ...(teacher && { teacher }),
      },
      ...change,
    }, parts),
    resume: resumePretrain,
  },
];

/** `fakeParts` with a real engine: `train` reads CLS tokens with it. */
export function trainingParts(behaviour: FakeBehaviour = {}, interrupt?: AbortSignal) {
  const { parts, heard } = fakeParts(behaviour, interrupt);
  const openEngine = async () => {
    const [engine, fake] = [createEngine(await testDevice()), await parts.openEngine()];
    return { ...fake, engine, close: () => (fake.close(), engine.destroy()) };
  };
  return { parts: { ...parts, openEngine }, heard };
}

/** Replaces config.json. */
export const writeConfig = (out: string, config: object): void =>
  writeFileSync(join(out, 'config.json'), JSON.stringify(config));

/** File names of a run's checkpoints, the oldest first. */
export const checkpoints = (out: string): string[] => readdirSync(join(out, 'checkpoints')).sort();

/** The folder of a run that is interrupted after `steps` steps of training. */
export const interrupted = ({ warmStart, start }: ShortTraining, steps: number): Promise<string> =>
  interruptedRun(start, warmStart + steps, trainingParts);

/** The folder of a run that nothing disturbs. */
export async function undisturbed({ start }: ShortTraining): Promise<string> {
  const out = newOut();
  assert.is(await start(out, trainingParts().parts), 0);
  return out;
}

/** What is shown of a run that no process holds. */
export const viewed = async (out: string) => (await openRunFolder(out, async () => false)).snapshot();
