/** Kernel variants of the user, one per file; `bench kernels --variant FILE` compares them with the project's kernels. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { KernelVariant } from '../../engine/index.js';
import { InputError } from '../shared/errors.js';

/** The default export of a variant file. */
export interface NamedVariant {
  readonly name: string;
  /** The name of its op in profiles: `matmul`, `linear`, `attention`, ... */
  readonly op: string;
  /** The launch, from the node, the project's own launch and the device's traits; undefined for a node it does not support. */
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
    throw new InputError(`${path} exports no variant: it needs a default export { name, op, kernel(node, usual, tuning) }`);
  }
  return { name, op, kernel };
}
