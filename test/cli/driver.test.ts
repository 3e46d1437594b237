/** The unpacked driver is found and used once; signals and exit codes pass through; doctor without an adapter. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { driverAdvice } from '../../cli/gpu/device.js';
import { driverFolder, mesaSettings, privateDriver } from '../../cli/gpu/mesa.js';
import { runNode, splice, temporaryFile, temporaryFolder } from '../helpers/pictures.js';

const wanted = { VK_DRIVER_FILES: '/x/lvp.json', LD_LIBRARY_PATH: '/x/lib' };

/** A cache folder with an unpacked driver's env.json. */
function cacheWith(text: string): string {
  const cache = temporaryFolder();
  mkdirSync(driverFolder({ SPLICE_GPU_CACHE: cache }), { recursive: true });
  writeFileSync(join(driverFolder({ SPLICE_GPU_CACHE: cache }), 'env.json'), text);
  return cache;
}

test('driver: its folder is in the cache', () => {
  assert.is(driverFolder({ SPLICE_GPU_CACHE: '/a', XDG_CACHE_HOME: '/b' }), join('/a', 'splice-gpu', 'driver'));
  assert.is(driverFolder({ XDG_CACHE_HOME: '/b' }), join('/b', 'splice-gpu', 'driver'));
  assert.match(driverFolder({}), /\.cache.splice-gpu.driver$/);
});

test('driver: variables are added in front, and not twice', () => {
  const cache = cacheWith(JSON.stringify(wanted));
  assert.equal(privateDriver({ SPLICE_GPU_CACHE: cache }), wanted);
  assert.is(privateDriver({ SPLICE_GPU_CACHE: cache, LD_LIBRARY_PATH: '/mine' })!['LD_LIBRARY_PATH'], '/x/lib:/mine');
  assert.is(privateDriver({ SPLICE_GPU_CACHE: cache, ...wanted }), undefined);
  assert.is(privateDriver({ SPLICE_GPU_CACHE: cache, ...wanted, LD_LIBRARY_PATH: '/x/lib:/mine' }), undefined);
});

test('driver: none, or a damaged description', () => {
  assert.is(privateDriver({ SPLICE_GPU_CACHE: temporaryFolder() }), undefined);
  for (const text of ['{', 'null', '{}', '{"VK_DRIVER_FILES": 3}']) {
    assert.is(privateDriver({ SPLICE_GPU_CACHE: cacheWith(text) }), undefined);
  }
});

test('driver: vectors of 512 bits if the processor has them and the user sets no other width', () => {
  const wide = 'fpu sse2 avx2 avx512f avx512dq avx512bw avx512vl';
  assert.is(mesaSettings({}, () => wide)['LP_NATIVE_VECTOR_WIDTH'], '512');
  assert.is(mesaSettings({ LP_NATIVE_VECTOR_WIDTH: '256' }, () => wide)['LP_NATIVE_VECTOR_WIDTH'], '256');
  assert.not.ok('LP_NATIVE_VECTOR_WIDTH' in mesaSettings({}, () => 'fpu sse2 avx2 avx512f avx512vl'));
  assert.is(mesaSettings({ XDG_RUNTIME_DIR: '/run/me' }, () => '')['XDG_RUNTIME_DIR'], '/run/me');
});

/** Hides the drivers of this machine. */
const blind = { VK_DRIVER_FILES: '/nowhere.json', VK_ICD_FILENAMES: '/nowhere.json' };

test('doctor: without an adapter it names what to install and exits with 1', async () => {
  const { code, stdout } = await splice(['doctor', '--json'], { ...blind, SPLICE_GPU_CACHE: temporaryFolder() });
  assert.is(code, 1);
  const { ok, problem } = JSON.parse(stdout);
  assert.is(ok, false);
  assert.match(problem, /no WebGPU adapter works on this machine: (install|macOS)/);
});

test('driver: without an adapter the program restarts with the unpacked driver, once, and returns its exit code', async () => {
  const cache = cacheWith(JSON.stringify({ ...wanted, VK_DRIVER_FILES: '/still/nowhere.json' }));
  const { code, stdout } = await splice(['doctor', '--json'], { ...blind, SPLICE_GPU_CACHE: cache });
  assert.is(code, 1);
  assert.is(stdout.trim().split('\n').length, 1);
  assert.is(JSON.parse(stdout).ok, false);
});

test('doctor: with an adapter, everything in one object', async () => {
  const { code, stdout } = await splice(['doctor', '--json']);
  const found = JSON.parse(stdout);
  assert.equal([code, found.ok, found.version], [0, true, '0.1.0']);
  assert.ok(found.adapters.length > 0 && found.adapter.driver !== undefined);
  assert.ok(found.limits.maxBufferSize >= 2 ** 28 && found.kernels.workgroupSize > 0);
  const plain = await splice(['doctor']);
  assert.match(plain.stdout, /adapters .*\nused .*\ndriver .*\nfeatures .*\nlimits /);
});

test('driver: advice for each kind of system', () => {
  assert.match(driverAdvice('linux', 'ID=debian\n'), /apt-get .*bookworm-backports/);
  assert.match(driverAdvice('linux', 'ID=pop\nID_LIKE="ubuntu debian"\n'), /apt-get/);
  assert.match(driverAdvice('linux', 'ID=fedora\n'), /dnf/);
  assert.match(driverAdvice('linux', 'ID=manjaro\nID_LIKE=arch\n'), /pacman/);
  assert.match(driverAdvice('linux', ''), /Mesa's Vulkan drivers, 23 or later/);
  assert.match(driverAdvice('darwin'), /Metal/);
  assert.match(driverAdvice('win32'), /Direct3D 12/);
});

const moduleUrl = (name: string) => new URL(`../../cli/${name}.js`, import.meta.url).href;

test('driver: a signal to the first process reaches the second, whose exit code comes back', async () => {
  const script = temporaryFile('again.mjs', `
    import { reexecute } from '${moduleUrl('gpu/mesa')}';
    if (process.env.SECOND) {
      process.on('SIGTERM', () => process.exit(42));
      setTimeout(() => process.exit(7), 20000);
      console.log('ready');
    } else process.exit(await reexecute({ SECOND: '1' }));`);
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', () => child.kill('SIGTERM'));
  assert.is(await new Promise((resolve) => child.on('exit', resolve)), 42);
});

test('interrupt: the first signal asks, two signals of one key press count once, a later one ends', async () => {
  const script = temporaryFile('interrupt.mjs', `
    import { interruptSignal } from '${moduleUrl('shared/interrupt')}';
    const signal = interruptSignal();
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    process.kill(process.pid, 'SIGINT');
    process.kill(process.pid, 'SIGTERM');
    await wait(50);
    console.log('asked', signal.aborted);
    await wait(600);
    process.kill(process.pid, 'SIGINT');
    await wait(5000);
    console.log('still here');`);
  const { code, stdout } = await runNode([script]);
  assert.equal([code, stdout], [130, 'asked true\n']);
});

test.run();
