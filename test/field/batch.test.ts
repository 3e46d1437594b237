/** Lists of pairs as people have them, each with its outcome: the table is in batch.ts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../cli/shared/errors.js';
import { parsePairs, readPairs } from '../../cli/transfer/batch/pairs.js';
import { temporaryFolder } from '../helpers/pictures.js';
import { failure } from '../helpers/runs.js';
import { FOLDER, lists } from './batch.js';

const parsed = (bytes: string | Buffer) => parsePairs(`${FOLDER}/pairs.csv`, Buffer.from(bytes as string), ['seed', 'size']);

for (const { name, bytes, expected } of lists) {
  test(`list: ${name}`, () => {
    if ('refused' in expected) {
      assert.throws(() => parsed(bytes), (error: Error) =>
        error instanceof InputError && expected.refused.test(error.message) && error.message.includes('pairs.csv'));
      return;
    }
    const found = parsed(bytes).map(({ name: own, structure, appearance, settings }) =>
      [own, structure, appearance, ...Object.entries(settings).map((setting) => setting.join('='))]);
    assert.equal(found, expected.pairs);
  });
}

const header = 'structure,appearance\n';

/** Processor time in milliseconds, which other programs do not lengthen. */
function cost(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test('list: the work grows with the lines, not with their square', () => {
  const pairs = parsed(header + 'a.png,b.png\n'.repeat(10_000));
  assert.equal([pairs[0]!.name, pairs.at(-1)!.name], ['a-as-b', 'a-as-b-10000']);
  const of = (lines: number) => Math.min(...[1, 2, 3].map(() => cost(() => parsed(header + 'a.png,b.png\n'.repeat(lines)))));
  const [few, many] = [of(1000), of(10_000)];
  assert.ok(many < 40 * few + 50, `${many} ms for ten times what took ${few} ms`);
});

test('list: too many pairs are refused before most of them are read', () => {
  const text = header + 'a,b\n'.repeat(3_900_000);
  const spent = cost(() => assert.throws(() => parsed(text), /has more than 10000 pairs: split it/));
  assert.ok(spent < 2000, `${spent} ms`);
});

test('list: names of folders are held to the same', async () => {
  for (const [name, problem] of [['NUL', /device on Windows/], ['Report.html', /the batch itself writes/]] as const) {
    const folder = temporaryFolder();
    mkdirSync(join(folder, name));
    for (const photo of ['structure.png', 'appearance.png']) writeFileSync(join(folder, name, photo), 'x');
    assert.match((await failure(readPairs(folder, []))).message, problem);
  }
});

test.run();
