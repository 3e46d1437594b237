/** A few hundred of the ten thousand damaged checkpoints of test/faults/checkpoints.ts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { attempt, leavesTrace, runFaults } from '../faults/checkpoints.js';
import { bombs, seeds } from '../faults/checkpointFiles.js';
import { mutate } from '../faults/mutate.js';
import { temporaryFolder } from '../helpers/pictures.js';

test('faults: the files that mutants are made of are whole', () => {
  for (const [i, seed] of seeds.entries()) assert.is(attempt(seed).result, 'read', `seed ${i}: ${attempt(seed).message}`);
});

test('faults: damage is the same for the same number, and damages', () => {
  const file = Buffer.from('a file of some length, long enough');
  for (let i = 0; i < 50; i++) assert.equal(mutate(file, i), mutate(file, i));
  const changed = Array.from({ length: 50 }, (_, i) => mutate(file, i)).filter(({ bytes }) => Buffer.compare(bytes, file) !== 0);
  assert.ok(changed.length > 40);
});

test('faults: 300 damaged files are refused in one line or read, nothing else', () => {
  const rows = runFaults(300);
  assert.equal(rows.flatMap(({ broken }) => broken), []);
  for (const { kind, refused } of rows) assert.ok(refused > 0, `${kind}: not one was refused`);
});

test('faults: files that ask for all that the bounds allow', () => {
  for (const [name, make] of Object.entries(bombs)) {
    const { result, message } = attempt(make());
    assert.is.not(result, 'broken', `${name}: ${message}`);
  }
});

test('faults: nothing is executed', () => assert.not(leavesTrace(temporaryFolder())));

test.run();
