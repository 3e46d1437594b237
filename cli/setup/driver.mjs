/** Sees to it that a WebGPU adapter works: one that is there already, or Mesa's software driver, which needs no GPU. */
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
export const cacheFolder = (env = process.env) => join(env.SPLICE_GPU_CACHE || env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'splice-gpu');

/** Mesa complains without the first, and compiles every kernel anew in each process without a lasting second. */
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

/** @throws SetupError when WebGPU's binding does not load, with what it said */
async function adapterWorks(root, variables) {
  const env = { ...process.env, ...variables };
  const { code, text } = await run(process.execPath, ['--input-type=module', '--eval', CHECK], { cwd: root, env, capture: true });
  if (code === 0 || code === 3) return code === 0;
  const reason = text.split('\n').find((line) => /error/i.test(line)) ?? text.trim();
  throw new SetupError(`WebGPU's binding does not run here: it needs x64 or arm64 and, on Linux, glibc 2.34 (Debian 12, Ubuntu 22.04; not Alpine).\n${reason}`);
}

/** os-release's fields, without quotes. */
export function parseOsRelease(text) {
  return Object.fromEntries([...text.matchAll(/^(\w+)=["']?(.*?)["']?$/gm)].map(([, key, value]) => [key, value]));
}

function osRelease() {
  const file = ['/etc/os-release', '/usr/lib/os-release'].find((path) => existsSync(path));
  return parseOsRelease(file ? readFileSync(file, 'utf8') : '');
}

const commands = {
  fedora: 'sudo dnf install mesa-vulkan-drivers vulkan-loader',
  rhel: 'sudo dnf install mesa-vulkan-drivers vulkan-loader',
  arch: 'sudo pacman -S vulkan-swrast vulkan-icd-loader',
  suse: 'sudo zypper install libvulkan_lvp libvulkan1',
  opensuse: 'sudo zypper install libvulkan_lvp libvulkan1',
  alpine: 'sudo apk add mesa-vulkan-swrast vulkan-loader',
  debian: 'sudo apt-get install mesa-vulkan-drivers libvulkan1   (Mesa 23 or later; on Debian 12 from bookworm-backports)',
  ubuntu: 'sudo apt-get install mesa-vulkan-drivers libvulkan1',
};

/** What to install by hand, for systems that are left alone. */
export function advice(platform, release) {
  if (platform === 'darwin') return 'macOS 13 or later brings one with Metal; inside a virtual machine its graphics must be switched on.';
  if (platform === 'win32') return "Install the graphics card maker's current driver (Direct3D 12 is needed).";
  const families = [release.ID, ...(release.ID_LIKE ?? '').split(' ')];
  const known = families.find((family) => Object.hasOwn(commands, family ?? ''));
  const command = known ? commands[known] : "install the Vulkan loader and Mesa's Vulkan drivers (lavapipe), version 23 or later";
  return `With a GPU: install its maker's Vulkan driver. Without one, Mesa's software driver will do:\n  ${command}`;
}

const hasApt = (release) => /\b(debian|ubuntu)\b/.test(`${release.ID} ${release.ID_LIKE}`) && existsSync('/usr/bin/apt-get');

/** Brings the software driver: into the system as root, else unpacked into `folder`. */
async function bringDriver(folder, release) {
  // Debian 12's own Mesa, 22.3, lacks shaderUniformBufferArrayDynamicIndexing, which Dawn insists on.
  const backports = release.ID === 'debian' && release.VERSION_ID === '12' ? 'bookworm-backports' : undefined;
  if (process.getuid() === 0) {
    say('No Vulkan driver works here: installing the software driver with apt-get ...');
    await installWithApt(backports);
  } else {
    say(`No Vulkan driver works here: unpacking the software driver into ${folder} (150 MB, nothing of the system changes) ...`);
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
  await bringDriver(folder, release);
  const brought = await working();
  if (!brought) throw new SetupError(`The software driver is installed, and still no WebGPU adapter works.\n${advice(process.platform, release)}`);
  say('The software driver works.');
  return brought;
}
