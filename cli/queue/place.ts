/** Where a store keeps its files: bytes by the name of their content. */
import { InputError } from '../shared/errors.js';

/** The store cannot be reached, or takes nothing more: another attempt may succeed, and no job is to blame. */
export class StoreError extends InputError {}

/** The name of a file. */
export type Hash = string;

export const isHash = (value: unknown): value is Hash => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

/** A place that keeps bytes by name. What goes wrong is thrown in words. */
export interface Place {
  readonly name: string;
  /** The number of bytes under a name, undefined when there are none. */
  size(hash: Hash): Promise<number | undefined>;
  read(hash: Hash): Promise<Buffer | undefined>;
  write(hash: Hash, bytes: Uint8Array): Promise<void>;
  remove(hash: Hash): Promise<void>;
}

/** The largest ViT that can be read has 1.9 GB. */
export const MAX_FILE = 2e9;
