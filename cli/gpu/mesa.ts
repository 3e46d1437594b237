/**
 * Settings of Mesa's drivers, and a software Vulkan driver that the set-up script unpacked under the user's cache, where no system
 * driver works. The loader reads LD_LIBRARY_PATH only when a process starts, so using it means starting this program again.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '../models/cache.js';

type Environment = Readonly<Record<string, string | undefined>>;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Where set-up unpacks the driver; SPLICE_GPU_CACHE moves it. */
export const driverFolder = (env: Environment = process.env): string =>
  join(cacheFolder(env), 'driver');

/** The variables that make the unpacked driver work, or undefined when there is none or this process has them already. */
export function privateDriver(env: Environment = process.env): Record<string, string> | undefined {
  let wanted: unknown;
  try {
    wanted = JSON.parse(readFileSync(join(driverFolder(env), 'env.json'), 'utf8'));
  } catch {
    return undefined;
  }
  const { VK_DRIVER_FILES: driver, LD_LIBRARY_PATH: libraries } = (wanted ?? {}) as Record<string, unknown>;
  if (typeof driver !== 'string' || typeof libraries !== 'string') return undefined;
  const present = env['LD_LIBRARY_PATH'] ?? '';
  if (env['VK_DRIVER_FILES'] === driver && present.startsWith(libraries)) return undefined;
  return { VK_DRIVER_FILES: driver, LD_LIBRARY_PATH: present ? `${libraries}:${present}` : libraries };
}

/** Whether a processor with these abilities, as Linux lists them, has vectors of 512 bits. */
function isWide(flags: string): boolean {
  const has = new Set(flags.split(/\s+/));
  return ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'].every((flag) => has.has(flag));
}

/**
 * Variables that Mesa reads when Dawn loads it, and other drivers ignore; what is set already stays. llvmpipe takes vectors of 256 bits unless told
 * otherwise: with 512 a lane costs fewer instructions, see `matmulLanes`. Without the folder Mesa complains on stderr.
 */
export function mesaSettings(env: Environment = process.env, processor: () => string = processorFlags): Record<string, string> {
  const width = env['LP_NATIVE_VECTOR_WIDTH'] ?? (isWide(processor()) ? '512' : undefined);
  return {
    XDG_RUNTIME_DIR: env['XDG_RUNTIME_DIR'] ?? tmpdir(),
    ...(width === undefined ? {} : { LP_NATIVE_VECTOR_WIDTH: width }),
  };
}

/** The first processor's abilities; nothing where the system is not Linux. */
function processorFlags(): string {
  try {
    return /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}

/** Runs this very command line again with more variables, hands signals on, and answers with its exit code. */
export function reexecute(variables: Readonly<Record<string, string>>): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, ...variables },
  });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      for (const name of SIGNALS) process.off(name, forward);
      resolve(code ?? 128 + constants.signals[signal!]);
    });
  });
}
