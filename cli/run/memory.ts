/** The memory that a run needs: reported before it starts, and refused where the machine does not have it. */
import { totalmem } from 'node:os';
import { showBytes, type MemoryNeed } from '../../model/training/memoryNeed.js';
import type { AdapterSummary } from '../gpu/device.js';
import { InputError } from '../shared/errors.js';

/**
 * A software adapter computes in the machine's memory, so the need is compared with that.
 * @param remedy what to change, in words
 * @throws InputError with figures and remedy
 */
export function checkMemory(need: MemoryNeed, { software }: AdapterSummary, remedy: string, ram = totalmem()): void {
  if (!software || need.total <= ram) return;
  throw new InputError(`this run needs ${showBytes(need.total)} of memory, this machine has ${showBytes(ram)}: ${remedy}`);
}
