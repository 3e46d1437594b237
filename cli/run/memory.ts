/** The memory that a run needs: reported before it starts, and refused where the machine does not have it. */
import { totalmem } from 'node:os';
import type { MemoryNeed } from '../../model/training/memoryNeed.js';
import type { AdapterSummary } from '../gpu/device.js';
import { InputError } from '../shared/errors.js';

const size = (bytes: number): string =>
  bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`;

/** A line for people. */
export const describeMemory = ({ total, slots, largest }: MemoryNeed): string =>
  `memory: ${size(total)} on the device, ${size(slots)} of it for the largest step; the largest buffer has ${size(largest)}`;

/**
 * A software adapter computes in the machine's memory, so the need is compared with that.
 * @param remedy what to change, in words
 * @throws InputError with figures and remedy
 */
export function checkMemory(need: MemoryNeed, { software }: AdapterSummary, remedy: string, ram = totalmem()): void {
  if (!software || need.total <= ram) return;
  throw new InputError(`this run needs ${size(need.total)} of memory, this machine has ${size(ram)}: ${remedy}`);
}
