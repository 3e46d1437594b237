/** What a path may lead to besides a plain file: nothing waits for ever, and no more than the bound is read. */
import { execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { createWriteStream, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readBounded } from '../../cli/shared/read.js';
import { readInput } from '../../cli/shared/files.js';
import { InputError } from '../../cli/shared/errors.js';
import { redBlue, temporaryFile, temporaryFolder } from '../helpers/pictures.js';

const MAX = 1000;
const posix = process.platform === 'win32' ? test.skip : test;
const refusal = (path: string, pipes = false): Promise<string> => readInput(path, MAX, { pipes }).then(
  () => assert.unreachable(`${path} was read`) as never, (error: unknown) => {
    assert.instance(error, InputError);
    return (error as Error).message;
  });

function fifo(): string {
  const path = join(temporaryFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  return path;
}

for (const [name, path, expected] of [
  ['a device that never ends', '/dev/zero', /is a device: copy what it holds/],
  ['a device without content', '/dev/null', /is a device/],
  ['a folder', '.', /is a folder/],
  ['nothing', 'no/such/file', /does not exist/],
  ['a file of the system that cannot be read at its start', '/proc/self/mem', /cannot be read/],
] as const) {
  posix(name, async () => assert.match(await refusal(path, true), expected));
}

posix('a file of the system that has more than it says', async () => {
  assert.match((await readBounded('/proc/self/status', { maxBytes: 1e6 })).toString(), /^Name:/);
  assert.match(await refusal('/proc/self/maps'), /has more: at most 0\.0 MB are read/);
});

posix('a pipe where a file is wanted, with and without a writer', async () => {
  assert.match(await refusal(fifo()), /is a pipe: copy what it holds/);
});

posix('a socket', async () => {
  const path = join(temporaryFolder(), 's');
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  assert.match(await refusal(path), /is a socket/);
  server.close();
});

posix('a link to a device', async () => {
  const path = join(temporaryFolder(), 'photo.png');
  symlinkSync('/dev/zero', path);
  assert.match(await refusal(path), /is a device/);
});

test('a file at the bound, above it, and one whose size is all holes', async () => {
  assert.is((await readBounded(temporaryFile('a', Buffer.alloc(MAX)), { maxBytes: MAX })).length, MAX);
  assert.match(await refusal(temporaryFile('a', Buffer.alloc(MAX + 1))), /at most/);
  const sparse = temporaryFile('a', '');
  truncateSync(sparse, 2 ** 36);
  assert.match(await refusal(sparse), /68719\.5 MB: at most/);
  assert.match(await refusal(temporaryFile('a', '')), /is empty/);
});

posix('a pipe is read to its end, once, however late its writer comes', async () => {
  const path = fifo();
  const read = readBounded(path, { maxBytes: MAX, pipes: true });
  setTimeout(() => createWriteStream(path).end('late'), 200);
  assert.is((await read).toString(), 'late');
  assert.is((await readBounded(path, { maxBytes: MAX, pipes: true })).toString(), 'late', 'it is remembered');
});

posix('a pipe that brings too much', async () => {
  const path = fifo();
  const writer = spawn('sh', ['-c', `yes > '${path}'`]);
  assert.match(await refusal(path, true), /has more: at most/);
  writer.kill();
});

const BIN = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  posix(`${signal} ends the wait for a pipe at once`, async () => {
    const folder = temporaryFolder();
    mkdirSync(folder, { recursive: true });
    const photo = join(folder, 'photo.png');
    writeFileSync(photo, await redBlue(64, 64).png().toBuffer());
    const args = ['transfer', '--structure', fifo(), '--appearance', photo, '--out', join(folder, 'out')];
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (text) => (stderr += text));
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const asked = performance.now();
    child.kill(signal);
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.is(code, 130, stderr);
    assert.ok(performance.now() - asked < 2000, 'without waiting for a writer');
  });
}

test.run();
