/** Compiles kernels with Mesa's RADV for AMD GPUs that are not there, through Dawn and a driver that reaches no GPU. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Compiled } from '../../../cli/bench/prediction.js';
import { root } from '../../helpers/sources.js';
import type { Compiler } from './compilers.js';
import type { StepKernel } from './kernels.js';
import { loopsOf } from './loops.js';
import { disassembled, statistics } from './radv.js';
import type { Target } from './targets.js';

const child = fileURLToPath(new URL('mesaChild.js', import.meta.url));
const libraries = ['x86_64', 'aarch64'].map((cpu) => `/usr/lib/${cpu}-linux-gnu/libvulkan_radeon.so`);

/** What the child printed of each kernel, by its key. */
export function parsed(text: string, { lanes, units }: Pick<Target, 'lanes' | 'units'>): Map<string, Compiled | string> {
  // Where waves of 32 lanes exist, the driver counts in them, though it compiles for 64, unless a kernel asks for 32.
  const halves = lanes[0] === 32 && !units ? 2 : 1;
  return new Map(text.split(/^## kernel /m).slice(1).map((part): [string, Compiled | string] => {
    const key = part.slice(0, part.indexOf('\n'));
    const problem = /^## error (.*)$/m.exec(part)?.[1];
    const found = statistics(part);
    const loops = loopsOf(disassembled(part), { isScalarFree: true });
    if (problem !== undefined) return [key, problem];
    if (Number.isNaN(found.registers)) return [key, 'the driver printed no figures'];
    return [key, { ...found, waves: found.waves / halves, ...loops }];
  }));
}

/** Runs Dawn on the driver in a process of its own, which ends after the last kernel. */
async function compile(
  kernels: readonly StepKernel[], target: Target, folder: string,
): Promise<Map<string, Compiled | string>> {
  const { name, family = name, vendor, lanes, units } = target;
  const [request, answer] = [join(folder, `${name}.json`), join(folder, `${name}.txt`)];
  writeFileSync(request, JSON.stringify({ traits: { vendor, lanes, ...(units && { units }) }, kernels }));
  const driver = join(folder, 'driver.json');
  const env = {
    ...process.env, VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver, RADV_FORCE_FAMILY: family,
    RADV_DEBUG: 'shaderstats,nocache,asm', MESA_SHADER_CACHE_DISABLE: 'true',
  };
  const output = openSync(answer, 'w');
  const status = await new Promise((resolve) => {
    spawn(process.execPath, [child, request], { env, stdio: ['ignore', 'ignore', output] }).on('close', resolve);
  });
  closeSync(output);
  const text = readFileSync(answer, 'utf8');
  if (status !== 0) throw new Error(`${name}: the compiling process ended with ${status}: ${text.slice(-600)}`);
  return parsed(text, target);
}

/** RADV behind the driver, or what is missing. */
export function radv(): Compiler | string {
  const library = process.env['RADV_LIBRARY'] ?? libraries.find((path) => existsSync(path));
  if (!library) return "Mesa's RADV is not installed (on Debian and Ubuntu: mesa-vulkan-drivers and libvulkan1)";
  const folder = mkdtempSync(join(tmpdir(), 'offline-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const [driver, source] = [join(folder, 'driver.so'), join(root, 'test/bench/offline/driver.c')];
  const flags = ['-O1', '-shared', '-fPIC', '-fvisibility=hidden', '-o', driver, source, '-ldl'];
  const built = spawnSync('gcc', flags, { encoding: 'utf8' });
  if (built.error) return 'gcc is not installed';
  if (built.status !== 0) return `gcc cannot build the driver (libvulkan-dev has the headers): ${built.stderr.split('\n')[0]}`;
  const manifest = { file_format_version: '1.0.0', ICD: { api_version: '1.4.305', library_path: driver } };
  writeFileSync(join(folder, 'driver.json'), JSON.stringify(manifest));
  const version = /Mesa \d[\w.~+-]+/.exec(readFileSync(library, 'latin1'))?.[0] ?? 'Mesa';
  return { version, sourceOf: JSON.stringify, compile: (kernels, target) => compile(kernels, target, folder) };
}
