/** A real training by a queue: a worker is killed in the middle, and another ends it as one machine does, to the last bit. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BIN, command, difference, results, writeInputs } from '../faults/runs.js';
import { hasRedis, redisServer } from '../helpers/redisServer.js';
import { firstSave } from './workers.js';

(hasRedis ? test : test.skip)('a training that another worker continues is byte-equal to that of one machine', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'splice-gpu-queue-'));
  const at = (name: string): string => join(folder, name);
  const redis = await redisServer();
  try {
    const [, , , , , ...options] = await writeInputs('transfer', folder);
    writeFileSync(at('pairs.csv'), 'structure,appearance,name\nstructure.png,appearance.png,pair\n');
    mkdirSync(at('store'));
    const queue = ['--queue', redis.url, '--store', pathToFileURL(at('store')).href];
    const pairs = (out: string): string[] => ['batch', at('pairs.csv'), '--out', at(out), ...options];
    assert.is((await command(pairs('here'))).code, 0);
    assert.is((await command([...pairs('there'), ...queue, '--detach'])).code, 0);
    const worker = ['worker', ...queue, '--scratch', at('scratch'), '--lease', '2', '--until-empty'];
    const first = spawn(process.execPath, [BIN, ...worker], { stdio: 'ignore' });
    const ended = new Promise((resolve) => first.on('close', resolve));
    await firstSave(redis);
    first.kill('SIGKILL');
    await ended;
    assert.is((await command(worker)).code, 0);
    assert.is((await command([...pairs('there'), ...queue])).code, 0);
    assert.is(difference(results(at('there/pair')), results(at('here/pair'))), undefined);
    const { resumed, madeBy } = JSON.parse(readFileSync(at('there/pair/config.json'), 'utf8'));
    assert.equal([resumed.length, madeBy.workers.length], [1, 2]);
  } finally {
    await redis.kill();
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
