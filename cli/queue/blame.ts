/** What is to blame when a job fails, which decides who tries it again. */
import { InputError, NoAdapterError, NonFiniteError, UsageError } from '../shared/errors.js';
import { StoreError } from './place.js';

/** This machine, which should take no more jobs; the job, for which no machine is good; or something that may not come again. */
export type Blame = 'machine' | 'job' | 'chance';

/** A disk that is full or broken, and files that may not be opened. */
const DISK = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EIO', 'EMFILE', 'ENFILE'];

export function blameFor(error: unknown): Blame {
  const codes: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) codes.push((cause as NodeJS.ErrnoException).code ?? '');
  const isHere = error instanceof NoAdapterError || error instanceof StoreError || codes.some((code) => DISK.includes(code));
  if (isHere) return 'machine';
  return [InputError, UsageError, NonFiniteError].some((type) => error instanceof type) ? 'job' : 'chance';
}
