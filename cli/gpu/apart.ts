/**
 * Calibration in a process of its own: a kernel that never ends keeps its device busy as long as the process lives, and one that
 * a driver cannot bear may take the process with it.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { CalibrationRow } from '../../engine/index.js';
import type { DeviceUse } from './device.js';

/** What to calibrate for: a command and its options, of which cli/measure.ts makes graphs. Plain JSON. */
export interface MeasureRequest {
  readonly command: string;
  readonly options: object;
  readonly seconds: number;
  /** What the training opens its device for. */
  readonly use?: DeviceUse;
}

/** A line of the process. */
export type MeasureLine =
  | { readonly row: CalibrationRow }
  /** Kinds of launches that there was no time for. */
  | { readonly left: number }
  /** A kernel that cost the device. */
  | { readonly lost: string }
  | { readonly error: string };

/** The exit code of a process whose device is lost: another one goes on. */
export const EXIT_LOST = 75;

const script = fileURLToPath(new URL('../measure.js', import.meta.url));

/** Processes for one calibration; each one that is lost has struck out a kernel. */
const MOST_PROCESSES = 8;
/** A process that takes so much longer than its kernels may is stuck in the driver. */
const PATIENCE_S = 120;

/** One process; its exit code, null when it was killed. */
async function measure(
  program: string, request: MeasureRequest, signal: AbortSignal, onLine: (line: MeasureLine) => void,
): Promise<number | null> {
  const timeout = Math.ceil(1000 * (Math.min(request.seconds, 1e5) + PATIENCE_S));
  const child = spawn(process.execPath, [program], {
    stdio: ['pipe', 'pipe', 'ignore'], signal, timeout, killSignal: 'SIGKILL',
  });
  const ended = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  child.stdin.on('error', () => undefined); // it has ended; its exit code tells
  child.stdin.end(JSON.stringify(request));
  const reading = (async () => {
    for await (const line of createInterface({ input: child.stdout })) onLine(JSON.parse(line) as MeasureLine);
  })();
  const code = await ended;
  await reading;
  return code;
}

/**
 * Calibrates until `request.seconds` are over, in as many processes as it takes. Returns the number of kinds of launches that are
 * left. @param program another one for tests @throws Error with what went wrong, and AbortError
 */
export async function measureApart(
  request: MeasureRequest, signal: AbortSignal, onLine: (line: MeasureLine) => void = () => undefined, program = script,
): Promise<number> {
  const began = performance.now();
  let [left, problem] = [0, 'its process ended without a result'];
  const take = (line: MeasureLine): void => {
    if ('left' in line) ({ left } = line);
    if ('error' in line) problem = line.error;
    onLine(line);
  };
  for (let i = 0; i < MOST_PROCESSES; i++) {
    const seconds = Math.max(0, request.seconds - (performance.now() - began) / 1000);
    const code = await measure(program, { ...request, seconds }, signal, take);
    if (code === 0) return left;
    if (code !== EXIT_LOST && code !== null) break;
  }
  throw new Error(problem);
}
