/** Ensures that a WebGPU adapter works: one of the system, or Mesa's software driver, which needs no GPU. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { installWithApt, unpackWithApt } from './apt.mjs';
import { SetupError, run, say } from './process.mjs';

/** Exit code 0: an adapter works; 3: none does; anything else: the binding itself does not load. */
const CHECK = `
import { create } from 'webgpu';
const gpu = create([]);
const adapter = await gpu.requestAdapter();
const device = await adapter?.requestDevice().catch(() => undefined);
process.exit(device ? 0 : 3);
`;

/** The folder of everything kept between runs; cli/gpu/mesa.ts has the same rule. */
export const cacheFolder = (env = process.env) =>
  join(env.SPLICE_GPU_CACHE || env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'splice-gpu');

/** Mesa complains without the first folder, and without a persistent second one compiles every kernel again in each process. */
function mesaVariables(cache, env = process.env) {
  return {
    XDG_RUNTIME_DIR: env.XDG_RUNTIME_DIR ?? tmpdir(),
    MESA_SHADER_CACHE_DIR: env.MESA_SHADER_CACHE_DIR ?? join(cache, 'shaders'),
  };
}

/** The variables of a driver unpacked earlier, or nothing. */
export function unpackedDriver(folder, env = process.env) {
  const file = join(folder, 'env.json');
  if (!existsSync(file)) return undefined;
  const driver = JSON.parse(readFileSync(file, 'utf8'));
  const libraries = [driver.LD_LIBRARY_PATH, env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  return { ...driver, LD_LIBRARY_PATH: libraries };
}

/** @throws SetupError with the reason when WebGPU's binding does not load */
async function adapterWorks(root, variables) {
  const env = { ...process.env, ...variables };
  const { code, text } = await run(process.execPath, ['--input-type=module', '--eval', CHECK], { cwd: root, env, capture: true });
  if (code === 0 || code === 3) return code === 0;
  const reason = text.split('\n').find((line) => /error/i.test(line)) ?? text.trim();
  const needs = 'it needs x64 or arm64 and, on Linux, glibc 2.34 (Debian 12, Ubuntu 22.04; not Alpine)';
  throw new SetupError(`WebGPU's binding does not run here: ${needs}.\n${reason}`);
}

/** os-release's fields, without quotes. */
export function parseOsRelease(text) {
  return Object.fromEntries([...text.matchAll(/^(\w+)=["']?(.*?)["']?$/gm)].map(([, key, value]) => [key, value]));
}

function osRelease() {
  const file = ['/etc/os-release', '/usr/lib/os-release'].find((path) => existsSync(path));
  return parseOsRelease(file ? readFileSync(file, 'utf8') : '');
}

/** By a pattern for the system's ID or the systems it is like. */
const commands = {
  'fedora|rhel': 'sudo dnf install mesa-vulkan-drivers vulkan-loader',
  arch: 'sudo pacman -S vulkan-swrast vulkan-icd-loader',
  suse: 'sudo zypper install libvulkan_lvp libvulkan1',
  alpine: 'sudo apk add mesa-vulkan-swrast vulkan-loader',
  ubuntu: 'sudo apt-get install mesa-vulkan-drivers libvulkan1',
  debian: 'sudo apt-get install mesa-vulkan-drivers libvulkan1   (Mesa 23 or later; on Debian 12 from bookworm-backports)',
};

/** What to install by hand on systems that the set-up does not change. */
export function advice(platform, release) {
  if (platform === 'darwin') return 'macOS 13 or later has one with Metal; a virtual machine needs its graphics switched on.';
  if (platform === 'win32') return "Install the graphics card maker's current driver (Direct3D 12 is needed).";
  const known = Object.keys(commands).find((system) => new RegExp(system).test(`${release.ID} ${release.ID_LIKE}`));
  const command = commands[known] ?? "install the Vulkan loader and Mesa's Vulkan drivers (lavapipe), version 23 or later";
  return `With a GPU: install its maker's Vulkan driver. Without one, Mesa's software driver will do:\n  ${command}`;
}

const hasApt = ({ ID, ID_LIKE }) => /\b(debian|ubuntu)\b/.test(`${ID} ${ID_LIKE}`) && existsSync('/usr/bin/apt-get');

/** Provides the software driver: installed into the system by root, else unpacked into `folder`. */
async function provideDriver(folder, release) {
  // Mesa 22.3 of Debian 12 lacks shaderUniformBufferArrayDynamicIndexing, which Dawn requires.
  const backports = release.ID === 'debian' && release.VERSION_ID === '12' ? 'bookworm-backports' : undefined;
  if (process.getuid() === 0) {
    say('No Vulkan driver works here: installing the software driver with apt-get ...');
    await installWithApt(backports);
  } else {
    say(`No Vulkan driver works here: unpacking the software driver into ${folder} (150 MB, the system is not changed) ...`);
    await unpackWithApt(folder, backports);
  }
}

/**
 * @param root folder of the project, with `webgpu` installed
 * @returns the environment variables with which an adapter works
 * @throws SetupError with what to install when none does
 */
export async function ensureDriver(root) {
  const cache = cacheFolder();
  const folder = join(cache, 'driver');
  const mesa = mesaVariables(cache);
  mkdirSync(mesa.MESA_SHADER_CACHE_DIR, { recursive: true });
  const working = async () => {
    for (const driver of [{}, unpackedDriver(folder)])
      if (driver && (await adapterWorks(root, { ...mesa, ...driver }))) return { ...mesa, ...driver };
    return undefined;
  };

  const present = await working();
  if (present) return present;
  const release = process.platform === 'linux' ? osRelease() : {};
  if (!hasApt(release)) throw new SetupError(`No WebGPU adapter works on this machine.\n${advice(process.platform, release)}`);
  await provideDriver(folder, release);
  const provided = await working();
  const problem = 'The software driver is installed, but no WebGPU adapter works';
  if (!provided) throw new SetupError(`${problem}.\n${advice(process.platform, release)}`);
  say('The software driver works.');
  return provided;
}
