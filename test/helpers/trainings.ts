/** The three trainings, short and on fake runs, for tests of what they have in common. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pretrain, resumePretrain } from '../../cli/pretrain/pretrain.js';
import { writeImage } from '../../cli/photos/photo.js';
import type { TrainingName } from '../../cli/run/config.js';
import type { Parts } from '../../cli/run/parts.js';
import { resumeTrain, train } from '../../cli/train/train.js';
import { resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import { createEngine } from '../../engine/index.js';
import { defaultAnyPair, defaultSizes } from '../../model/anyPair/options.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { pretrainDefaults } from '../../model/pretraining/options.js';
import { untrainedVit } from '../../model/vit/untrained.js';
import { testDevice } from './device.js';
import { fakeParts, shortRun, type FakeBehaviour } from './fakeRun.js';
import { testImage } from './golden.js';
import { redBlue, temporaryFile, temporaryFolder } from './pictures.js';
import { tinyConfig } from './tinyVit.js';

const photos = temporaryFolder();
for (let i = 0; i < 6; i++) await writeImage(join(photos, `${i}.png`), { width: 36, height: 36, data: testImage(`photo.${i}`, 36, 36) });
const files = {
  structure: temporaryFile('structure.png', await redBlue(60, 40).png().toBuffer()),
  appearance: temporaryFile('appearance.jpg', await redBlue(40, 80).jpeg().toBuffer()),
  model: temporaryFile('tiny.safetensors', serializeSafetensors(untrainedVit(5, tinyConfig).weights)),
};

export interface Resume {
  readonly folder: string;
  readonly steps?: number;
  readonly json: boolean;
  readonly watch?: number;
}

/** A training of 24 steps that is saved every 6. */
export interface ShortTraining {
  readonly name: TrainingName;
  /** Steps before the 24. */
  readonly warmStart: number;
  readonly start: (out: string, parts: Parts, watch?: number) => Promise<number>;
  readonly resume: (resume: Resume, parts: Parts) => Promise<number>;
}

const page = (watch?: number) => (watch === undefined ? {} : { watch });

export const trainings: readonly ShortTraining[] = [
  {
    name: 'transfer',
    warmStart: 4,
    start: (out, parts, watch) => transfer({ ...shortRun({ ...files, out }, { steps: 24, warmStart: 4 }), saveEvery: 6, ...page(watch) }, parts),
    resume: resumeTransfer,
  },
  {
    name: 'train',
    warmStart: 4,
    start: (out, parts, watch) => train({
      structures: photos, appearances: photos, out, model: files.model, holdOut: 0, validateEvery: 6, shown: 0, force: false, json: false,
      ...page(watch),
      anyPair: { ...defaultAnyPair, size: 36, vitSize: 12, steps: 24, warmStart: 4, sizes: { ...defaultSizes, channels: [4, 4, 4, 4, 4] } },
    }, parts),
    resume: resumeTrain,
  },
  {
    name: 'pretrain',
    warmStart: 0,
    start: (out, parts, watch) => pretrain({
      photos: [photos], out, force: false, json: false, ...page(watch),
      options: { ...pretrainDefaults, dim: 8, heads: 1, imageSize: 16, localSize: 8, batch: 1, epochs: 4 },
    }, parts),
    resume: resumePretrain,
  },
];

/** `fakeParts` with a real engine, which `train` needs for the CLS tokens. */
export function trainingParts(behaviour: FakeBehaviour = {}, interrupt?: AbortSignal) {
  const { parts, heard } = fakeParts(behaviour, interrupt);
  const openEngine = async () => {
    const engine = createEngine(await testDevice());
    return { ...(await parts.openEngine()), engine, close: () => engine.destroy() };
  };
  return { parts: { ...parts, openEngine }, heard };
}

/** Writes a config.json again with some of its fields changed. */
export function changeConfig(out: string, config: object): void {
  writeFileSync(join(out, 'config.json'), JSON.stringify(config));
}
