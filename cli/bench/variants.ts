/** Kernel variants from files of the user's own: one file each, shown beside the project's kernels by `bench kernels --variant FILE`. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { KernelVariant } from '../../engine/index.js';
import { InputError } from '../shared/errors.js';

/** The default export of a variant file. */
export interface NamedVariant {
  readonly name: string;
  /** The op it is for, as profiles call it: `matmul`, `linear`, `attention`, ... */
  readonly op: string;
  /** The launch, from the node, the project's own launch and what is known of the device; undefined where it cannot do the node. */
  readonly kernel: KernelVariant;
}

/** @throws InputError when the file cannot be loaded or exports no variant */
export async function loadVariant(path: string): Promise<NamedVariant> {
  let loaded: { readonly default?: Partial<NamedVariant> };
  try {
    loaded = (await import(pathToFileURL(resolve(path)).href)) as typeof loaded;
  } catch (error) {
    throw new InputError(`${path} cannot be loaded: ${(error as Error).message}`, { cause: error });
  }
  const { name, op, kernel } = loaded.default ?? {};
  if (typeof name !== 'string' || typeof op !== 'string' || typeof kernel !== 'function') {
    throw new InputError(`${path} exports no variant: it must have a default export { name, op, kernel(node, usual, tuning) }`);
  }
  return { name, op, kernel };
}
