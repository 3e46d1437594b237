/**
 * Settings of Mesa's drivers, and the software Vulkan driver that the set-up script unpacks into the user's cache if no driver of
 * the system works. The loader reads LD_LIBRARY_PATH when a process starts, so that this program starts itself again to use it.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '../shared/cache.js';
import { ignoresHangup } from '../shared/interrupt.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

/** The folder of the unpacked driver; SPLICE_GPU_CACHE moves it. */
export const driverFolder = (env: NodeJS.ProcessEnv = process.env): string => join(cacheFolder(env), 'driver');

/** The variables that make the unpacked driver work, undefined when there is none or this process has them already. */
export function privateDriver(env: NodeJS.ProcessEnv = process.env): Record<string, string> | undefined {
  let driver: unknown;
  let libraries: unknown;
  try {
    const wanted = JSON.parse(readFileSync(join(driverFolder(env), 'env.json'), 'utf8')) as Record<string, unknown>;
    ({ VK_DRIVER_FILES: driver, LD_LIBRARY_PATH: libraries } = wanted);
  } catch {
    return undefined;
  }
  if (typeof driver !== 'string' || typeof libraries !== 'string') return undefined;
  const present = env['LD_LIBRARY_PATH'] ?? '';
  if (env['VK_DRIVER_FILES'] === driver && present.startsWith(libraries)) return undefined;
  return { VK_DRIVER_FILES: driver, LD_LIBRARY_PATH: present ? `${libraries}:${present}` : libraries };
}

/** Processor flags, as Linux lists them, of vectors of 512 bits. */
const WIDE = ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'];

/**
 * Variables that Mesa reads when Dawn loads it, and other drivers ignore; values that are set already stay. By default llvmpipe
 * uses vectors of 256 bits; with 512 a lane costs fewer instructions, see `matmulLanes`. Without the folder Mesa warns on stderr.
 */
export function mesaSettings(env: NodeJS.ProcessEnv = process.env, processor = processorFlags): Record<string, string> {
  const flags = processor().split(/\s+/);
  const width = env['LP_NATIVE_VECTOR_WIDTH'] ?? (WIDE.every((flag) => flags.includes(flag)) ? '512' : undefined);
  return { XDG_RUNTIME_DIR: env['XDG_RUNTIME_DIR'] ?? tmpdir(), ...(width !== undefined && { LP_NATIVE_VECTOR_WIDTH: width }) };
}

/** The flags of the first processor; empty if the system is not Linux. */
function processorFlags(): string {
  try {
    return /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}

/** Runs this command line again with more variables, forwards signals, and returns its exit code. */
export function reexecute(variables: Readonly<Record<string, string>>): Promise<number> {
  const ignores = ignoresHangup();
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, ...variables, ...(ignores && { _: 'nohup' }) },
  });
  const forward = (signal: NodeJS.Signals) => signal === 'SIGHUP' && ignores ? false : child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      for (const name of SIGNALS) process.off(name, forward);
      resolve(code ?? 128 + constants.signals[signal!]);
    });
  });
}
