/** `transfer --generator FILE --finetune N`: a training of one pair that begins with a generator for any pair. */
import type { Parts } from '../run/parts.js';
import { readAnyPairGenerator } from '../train/generatorFile.js';
import type { TransferOptions } from './options.js';
import { startTransfer } from './start.js';

export interface FinetuneOptions {
  readonly generator: string;
  readonly steps: number;
  /** As for any pair. Unless given, recipe, sizes, ViT and its input are the generator's, and the learning rate is smaller. */
  readonly transfer: TransferOptions;
  /** Whether an option was given on the command line. */
  readonly isGiven: (name: string) => boolean;
}

/** A pair's usual rate, 0.002, is for random weights. Here it would undo what was learned (see test/study/heldOutPairs.ts). */
const LR = 0.0002;

/** Returns the exit code, as `transfer`. */
export async function finetune(finetuning: FinetuneOptions, parts: Parts): Promise<number> {
  const { generator: path, steps, transfer: { choose, ...options }, isGiven } = finetuning;
  const { setup, sha256 } = await readAnyPairGenerator(path);
  const { splice } = options;
  const { recipe, vitSize, antialias } = setup;
  const isFree = choose?.includes('size') ?? !isGiven('size');
  const size = options.size ?? (isFree ? setup.size : undefined);
  const learned = Object.entries({ recipe, vitSize, antialias, lr: LR }).filter(([name]) => !isGiven(name));
  return startTransfer({
    ...options,
    model: isGiven('model') ? options.model : setup.model.name,
    ...(size !== undefined && { size }),
    splice: { ...splice, ...Object.fromEntries(learned), steps, warmStart: 0 },
    generator: { path, sha256 },
  }, parts);
}
