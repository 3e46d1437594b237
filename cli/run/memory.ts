/** What a run needs of memory, said before it starts, and refused where it cannot work. */
import type { MemoryNeed } from '../../model/training/memoryNeed.js';
import { InputError } from '../shared/errors.js';

const size = (bytes: number): string => (bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`);

/** A line for people. */
export const describeMemory = ({ total, slots, largest }: MemoryNeed): string =>
  `memory: ${size(total)} on the device, ${size(slots)} of it for the largest step; the largest buffer has ${size(largest)}`;

/** What to change, in words: options that need less. */
const remedy = (checkpointing: boolean): string => `use a smaller --size${checkpointing ? '' : ' or --checkpointing, which needs less'}`;

/** @param ram bytes of memory of the machine where the device works in it, as a processor that poses as one does. @throws InputError with figures and remedy */
export function checkMemory(need: MemoryNeed, ram: number | undefined, checkpointing: boolean): void {
  if (ram !== undefined && need.total > ram) throw new InputError(`this run needs ${size(need.total)} of memory, this machine has ${size(ram)}: ${remedy(checkpointing)}`);
}
