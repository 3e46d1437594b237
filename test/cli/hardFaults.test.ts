/** A run whose device goes away, whose memory does not suffice or whose disk is full: on a real device and a real disk. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readCheckpoint } from '../../cli/run/checkpoints.js';
import { errorLine, InputError } from '../../cli/shared/errors.js';
import { resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import type { TransferOptions } from '../../cli/transfer/options.js';
import type { OpenedEngine, Parts } from '../../cli/run/parts.js';
import { createEngine, OutOfMemoryError } from '../../engine/index.js';
import { startSplice } from '../../model/training/pair.js';
import { untrainedVit } from '../../model/vit/untrained.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { openDevice } from '../helpers/device.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { redBlue, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { assertSameContents, configOf, failure, files, newOut } from '../helpers/runs.js';
import { tinyConfig } from '../helpers/tinyVit.js';

/** Small photos and a ViT with random weights, for trainings on the device. */
const small = {
  structure: temporaryFile('structure.png', await redBlue(44, 40).png().toBuffer()),
  appearance: temporaryFile('appearance.png', await redBlue(42, 42).negate().png().toBuffer()),
  model: temporaryFile('tiny.safetensors', serializeSafetensors(untrainedVit(3, tinyConfig).weights)),
};
const options = (out: string, change: Partial<TransferOptions['splice']> = {}): TransferOptions => ({
  ...shortRun({ ...small, out }, { steps: 4, warmStart: 1, vitSize: 16, ...change }),
  saveEvery: 2,
});

/**
 * Parts with a real device. @param destroyAfter steps after which the device is destroyed, counted over the whole run
 * @param limits whether the device has no more than WebGPU's default limits
 */
function realParts(destroyAfter: number[] = [], limits: 'all' | 'default' = 'all'): { parts: Parts; heard: { stderr: string } } {
  const { parts, heard } = fakeParts();
  let device: GPUDevice | undefined;
  const openEngine = async (): Promise<OpenedEngine> => {
    device = await openDevice({ small: limits === 'default' });
    const engine = createEngine(device, { poison: true });
    return { engine, adapter: (await parts.openEngine()).adapter, close: () => (engine.destroy(), device!.destroy()) };
  };
  const start: typeof startSplice = async (...inputs) => {
    const run = await startSplice(...inputs);
    const { step } = run;
    const breaking = async () => {
      const info = await step();
      if (run.warmStepsDone + run.stepsDone === destroyAfter[0]) {
        destroyAfter.shift();
        device!.destroy();
      }
      return info;
    };
    return Object.defineProperty(run, 'step', { value: breaking });
  };
  return { parts: { ...parts, openEngine, startSplice: start }, heard };
}

test('a destroyed device is opened again, and the run ends with the files of an undisturbed one', async () => {
  const [whole, broken] = [newOut(), newOut()];
  assert.is(await transfer(options(whole), realParts().parts), 0);
  const { parts, heard } = realParts([2, 4]);
  assert.is(await transfer(options(broken), parts), 0);
  assert.match(heard.stderr, /the GPU device was lost \(.*\): opening it again, 1 of at most 3 times\nno checkpoint was written/);
  assert.match(heard.stderr, /opening it again, 2 of at most 3 times\nresuming after 2 steps\n/);
  assertSameContents(broken, whole);
});

test('an impossible allocation is one line with figures and a remedy, and leaves nothing', async () => {
  const parent = temporaryFolder();
  const large = temporaryFile('large.png', await redBlue(1200, 1200).png().toBuffer());
  const error = await failure(transfer({ ...options(join(parent, 'out')), structure: large }, realParts([], 'default').parts));
  assert.instance(error, OutOfMemoryError);
  const [use, figures, remedy] = errorLine(error)!.split(/: |; /);
  assert.is(use, 'the GPU has too little memory for photos of 1200 x 1200 and 42 x 42 and a ViT input of 16');
  assert.match(figures!, /.* needs \d+\.\d MiB, this device binds at most \d+\.\d MiB$/);
  assert.is(remedy, 'a smaller --size or --vit-size needs less, and so does --checkpointing');
  assert.equal(readdirSync(parent), []);
});

/** Mounts a file system of one megabyte; without the right to do so, prints a line and returns undefined. */
function smallDisk(): { folder: string; remove: () => void } | undefined {
  const folder = join(temporaryFolder(), 'disk');
  mkdirSync(folder);
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
  if (status === 0) return { folder, remove: () => void spawnSync('umount', [folder]) };
  console.log('skipped: a full disk needs the right to mount one');
  return undefined;
}

test('a full disk is one clear error, the checkpoint before it stays, and with space again the run continues', async () => {
  const disk = smallDisk();
  if (!disk) return;
  try {
    const [whole, out] = [newOut(), join(disk.folder, 'out')];
    await transfer(shortRun({ ...files, out: whole }), fakeParts().parts);
    const filler = join(disk.folder, 'filler');
    const fill = (done: number) => {
      for (let size = done === 20 ? 2 ** 20 : 0; size >= 1; size = Math.floor(size / 2)) {
        try {
          writeFileSync(filler, Buffer.alloc(size), { flag: 'a' });
        } catch {
          // as full as it gets with pieces of this size
        }
      }
    };
    const { parts, heard } = fakeParts({ onStep: fill });
    const error = await failure(transfer(shortRun({ ...files, out }), parts));
    assert.instance(error, InputError);
    assert.match(error.message, new RegExp(`${disk.folder}/out/\\S+ does not fit: the disk is full, free some space`));
    assert.match(heard.stderr, /10 steps are kept: splice-gpu transfer --resume .*out continues from there\n$/);
    assert.is((await readCheckpoint(join(out, 'checkpoints/00015.safetensors'))).state.counters['stepsDone'], 10);
    assert.equal(readdirSync(out).filter((name) => name.endsWith('.tmp')), []);
    rmSync(filler);
    assert.is(await resumeTransfer({ folder: out, json: false }, fakeParts().parts), 0);
    assertSameContents(out, whole);
    assert.is(configOf(out).status, 'finished');
  } finally {
    disk.remove();
  }
});

test('a disk that is full from the start leaves no run', async () => {
  const disk = smallDisk();
  if (!disk) return;
  try {
    writeFileSync(join(disk.folder, 'filler'), Buffer.alloc(2 ** 20 - 4096));
    const error = await failure(transfer(shortRun({ ...small, out: join(disk.folder, 'a/out') }), fakeParts().parts));
    assert.match(error.message, /does not fit: the disk is full/);
    assert.not(existsSync(join(disk.folder, 'a/out/result.png')));
  } finally {
    disk.remove();
  }
});

test.run();
