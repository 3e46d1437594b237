/** The process's outputs when nobody takes what is written: the message is lost, the work is not, and the exit code says so. */
import { fstatSync, writeSync } from 'node:fs';
import type { WriteStream } from 'node:tty';
import { fileProblem } from './errors.js';

const STDOUT = 1;

/** Follows what becomes of both outputs from now on. The returned function waits until stdout is written out. */
export function guardOutputs(): () => Promise<NodeJS.ErrnoException | undefined> {
  let lost: NodeJS.ErrnoException | undefined;
  const { stdout, stderr } = process;
  if (isFile(STDOUT)) writeWhole(stdout);
  stdout.on('error', (error) => (lost ??= error));
  stderr.on('error', () => undefined); // a training goes on without its progress
  return () => new Promise((resolve) => {
    stdout.write('', (error) => {
      lost ??= error ?? undefined;
      setImmediate(() => resolve(lost)); // an error is told after the call that it is of
    });
  });
}

/** A line for people about output that was lost; undefined when its reader left, which is no mistake. */
export const lossLine = (error: NodeJS.ErrnoException): string | undefined =>
  (error.code === 'EPIPE' ? undefined : `the output ${fileProblem(error)}`);

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

/** Node's stream for files forgets what a disk that becomes full did not take. */
function writeWhole(stream: WriteStream): void {
  stream._write = (chunk: string | Buffer, encoding, done) => {
    try {
      let rest = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      while (rest.length > 0) rest = rest.subarray(writeSync(STDOUT, rest));
      done();
    } catch (error) {
      done(error as Error);
    }
  };
}
