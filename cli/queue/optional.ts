/** Packages that only a queue needs: loaded when one is used, and named where they are missing. */
import { InputError } from '../shared/errors.js';

/** @throws InputError saying what to install */
async function optional<T>(load: () => Promise<T>, what: string, packages: string): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!/^(ERR_)?MODULE_NOT_FOUND$/.test(String((error as NodeJS.ErrnoException).code))) throw error;
    throw new InputError(`${what} needs packages that are not installed: npm install ${packages}`, { cause: error });
  }
}

const QUEUE = ['--queue', 'bullmq ioredis'] as const;

export type Bull = Pick<typeof import('bullmq'), 'Queue' | 'Worker' | 'UnrecoverableError' | 'WaitingError'>;

export const loadBull = (): Promise<Bull> => optional(() => import('bullmq'), ...QUEUE);
export const loadRedis = () => optional(() => import('ioredis'), ...QUEUE);
export const loadS3 = () => optional(() => import('@aws-sdk/client-s3'), 'a store at s3://', '@aws-sdk/client-s3');
