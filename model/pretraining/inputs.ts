/** What a step of a pretraining gets of the photos: their crops, and a teacher's answers to crops that come again. */
import type { Engine } from '../../engine/index.js';
import type { Bitmap } from '../image.js';
import { random } from '../random.js';
import { keptAnswers } from './answers.js';
import { drawCrop, type CropKind } from './augment.js';
import type { Objective } from './objectives.js';
import { stepsPerEpoch, type PretrainOptions } from './options.js';

interface Drawn {
  readonly step: number;
  /** An array per input of the graph, crop by crop, photo by photo. */
  readonly inputs: ReadonlyMap<string, Float32Array>;
  /** Of view and photo: equal names are equal crops. */
  readonly names: readonly string[];
}

/** The inputs of any step by name, `of` it; what is drawn `ahead` is drawn while the device computes the step before. */
export async function stepInputs(engine: Engine, objective: Objective, photos: readonly Bitmap[], options: PretrainOptions) {
  const draw = cropDrawer(objective, photos, options);
  const answers = objective.targets && (await keptAnswers(engine, objective.targets));
  let drawn: Drawn | undefined;
  return {
    ahead: (step: number): void => void (drawn = draw(step)),
    of: async (step: number): Promise<[string, Float32Array][]> => {
      const { inputs, names } = drawn?.step === step ? drawn : draw(step);
      return [...inputs, ...(answers ? await answers.of(names, inputs.get('crops')!) : [])];
    },
    destroy: (): void => answers?.destroy(),
  };
}

/** Draws the crops of any step. */
function cropDrawer({ crops }: Objective, photos: readonly Bitmap[], options: PretrainOptions): (step: number) => Drawn {
  const { batch, seed, views, mixup } = options;
  const perEpoch = stepsPerEpoch(photos.length, options);
  let order: { epoch: number; photos: number[] } | undefined;
  const crop = (kind: CropKind, ...key: readonly [view: number, photo: number, index: number]): Float32Array => {
    const next = random(seed, 'crop', ...key);
    const first = drawCrop(next, photos[key[1]]!, kind);
    if (!next.chance(mixup)) return first;
    return blend(first, drawCrop(next, photos[next.integer(0, photos.length - 1)]!, kind), next.between(0, 0.5));
  };
  return (step) => {
    const epoch = Math.floor(step / perEpoch);
    const view = views > 0 ? epoch % views : epoch;
    if (order?.epoch !== epoch) order = { epoch, photos: random(seed, 'order', epoch).permutation(photos.length) };
    const chosen = order.photos.slice((step % perEpoch) * batch).slice(0, batch);
    const inputs = new Map<string, Float32Array>();
    let before = 0;
    for (const [input, kinds] of crops) {
      const elements = 3 * kinds[0]!.side ** 2;
      const all = new Float32Array(kinds.length * batch * elements);
      kinds.forEach((kind, index) => chosen.forEach((photo, b) => {
        all.set(crop(kind, view, photo, before + index), (index * batch + b) * elements);
      }));
      before += kinds.length;
      inputs.set(input, all);
    }
    return { step, inputs, names: chosen.map((photo) => `${view} ${photo}`) };
  };
}

/** A share of `second` over `first` (mixup, https://arxiv.org/abs/1710.09412). */
const blend = (first: Float32Array, second: Float32Array, share: number): Float32Array =>
  first.map((value, i) => value + share * (second[i]! - value));
