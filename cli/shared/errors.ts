/** Turns any error into one line on stderr and an exit code. */
import { CommanderError } from 'commander';
import { NonFiniteError } from '../../model/training/loop.js';
import { printable } from './text.js';

export { NonFiniteError };

/** The command line itself is wrong: the value of an option, or an unknown name. Exit code 2. */
export class UsageError extends Error { override readonly name = 'UsageError'; }

/** A thing that the command line names is wrong: a photo, weights, a folder. The message names it and the remedy. Exit code 1. */
export class InputError extends Error { override readonly name = 'InputError'; }

/** No WebGPU adapter works on this machine; the message names what to install. */
export class NoAdapterError extends Error { override readonly name = 'NoAdapterError'; }

/** Exit code after Ctrl-C or a termination signal, by the convention of shells. */
export const EXIT_INTERRUPTED = 130;

/** Whether work stopped because its signal was aborted. */
export const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

/** 0 for --help and --version, 130 when interrupted, 2 when the command line is wrong, 1 for everything else. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (isAbort(error)) return EXIT_INTERRUPTED;
  return error instanceof UsageError ? 2 : 1;
}

/** One line for people; undefined after help and version, which commander has printed itself. */
export function errorLine(error: unknown): string | undefined {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0 || error.code === 'commander.help') return undefined;
    return `${firstLine(error.message.replace(/^error: /, ''))} (--help lists the options)`;
  }
  if (isAbort(error)) return 'interrupted';
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
  const text = firstLine(message);
  const remedy = remedies.get(name);
  if (remedy) return `${text}; ${remedy}`;
  const { code = '', path }: NodeJS.ErrnoException = error instanceof Error ? error : new Error();
  if (path !== undefined && Object.hasOwn(fileProblems, code)) return firstLine(fileError(path, error).message);
  const isExpected = [UsageError, InputError, NonFiniteError, NoAdapterError].some((type) => error instanceof type);
  return isExpected ? text : `unexpected: ${text} (DEBUG=1 shows where)`;
}

/** The same error for developers: stack and causes, all lines. */
export const errorDetail = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** Why a file or folder cannot be used, without the system's jargon. */
export function fileProblem(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return fileProblems[code] ?? `cannot be used (${code || String(error)})`;
}

/** Whether a text is the address of something on a network, or its content, instead of a path. */
export const isAddress = (path: string): boolean => /^([a-z][a-z\d+.-]+:\/\/|(data|blob|https?):)/i.test(path);

export const ADDRESS_PROBLEM = 'is an address, and photos and weights are read from files: save it here and give its path';

/** The error of a file operation as one that names the file; an InputError is returned unchanged. */
export function fileError(path: string, error: unknown): InputError {
  if (error instanceof InputError) return error;
  const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  return new InputError(`${path} ${isMissing && isAddress(path) ? ADDRESS_PROBLEM : fileProblem(error)}`, { cause: error });
}

const fileProblems: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist: check the path',
  EISDIR: 'is a folder: give a file',
  ENOTDIR: 'is a file, or lies below one: choose another path',
  EACCES: 'is not accessible: check its permissions or choose another path',
  EPERM: 'is not accessible: check its permissions or choose another path',
  EROFS: 'is on a read-only file system: choose another path',
  ENOSPC: 'does not fit: the disk is full, free some space or choose another path',
  EDQUOT: 'does not fit: your quota on this disk is used up, free some space or choose another path',
  EFBIG: 'does not fit: files of this size are not allowed here, choose another path',
  EIO: 'cannot be read or written, the disk reports an error: check it or choose another path',
  ENAMETOOLONG: 'has a name that is too long: choose another path',
  EMFILE: 'cannot be opened: this process has too many open files, allow more (ulimit -n)',
  ENFILE: 'cannot be opened: the system has too many open files, close some programs',
  EAGAIN: 'has nothing to read: give a file',
  ENXIO: 'is a socket or a device without a driver: give a file',
  ELOOP: 'is a circle of links: choose another path',
};

/** By the names of the engine's errors: importing the classes would load the engine for every command. */
const remedies: ReadonlyMap<string, string> = new Map([
  ['DeviceLostError', 'if it happens again, update the GPU driver'],
  ['OutOfMemoryError', 'a smaller --size or --vit-size needs less, and so does --checkpointing'],
  ['FeatureError', 'leave out --precision f16'],
  ['KernelError', 'please report this with the output of DEBUG=1 and splice-gpu doctor'],
]);

/** It may quote a file, so that commands to a terminal are taken out of it. */
const firstLine = (text: string): string => printable(text.split('\n', 1)[0]!.trim());
