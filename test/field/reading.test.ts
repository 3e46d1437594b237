/** What a path may lead to besides a plain file: nothing waits for ever, and no more than the bound is read. */
import { execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { closeSync, constants, createWriteStream, openSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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

/** Opens a pipe for writing once somebody reads it. */
async function writerOf(path: string): Promise<number> {
  for (;;) {
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
      await sleep(10);
    }
  }
}

/** So long a machine under load may take to end a process. */
const HANGS_MS = 60_000;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  for (const writes of [false, true]) {
    posix(`${signal} ends the wait for a pipe ${writes ? 'whose writer says nothing' : 'that nobody writes to'}`, async () => {
      const folder = temporaryFolder();
      const [photo, pipe] = [join(folder, 'photo.png'), fifo()];
      writeFileSync(photo, await redBlue(64, 64).png().toBuffer());
      const args = ['transfer', '--structure', pipe, '--appearance', photo, '--out', join(folder, 'out')];
      const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
      let stderr = '';
      child.stderr.on('data', (text) => (stderr += text));
      const closed = new Promise((resolve) => child.once('close', resolve));
      const writer = await writerOf(pipe);
      if (!writes) closeSync(writer);
      child.kill(signal);
      const hangs = setTimeout(() => child.kill('SIGKILL'), HANGS_MS);
      assert.is(await closed, 130, stderr);
      clearTimeout(hangs);
      if (writes) closeSync(writer);
    });
  }
}

test.run();
