/** A run that begins as another one did. */
import { basename, join } from 'node:path';
import type { Checkpoint } from '../run/checkpoints.js';
import type { Fields } from '../run/config.js';
import { openFolder, previewsIn } from '../run/folder.js';
import { recordOf } from '../run/record.js';
import type { Training } from '../run/training.js';
import { exists, writeFileAtomic } from '../shared/files.js';
import { MAX_TEXT, readBounded } from '../shared/read.js';

/**
 * Writes the folder `out` of a run that was interrupted at the checkpoint `start`, with what the other `run` wrote until then.
 * Its config comes last. @param config the other run's
 */
export async function writeBeginning(
  { run, out, force }: { readonly run: string; readonly out: string; readonly force: boolean },
  config: Fields, start: Checkpoint, training: Training,
): Promise<void> {
  const steps = start.state.counters['stepsDone']!;
  const folder = await openFolder(out, force, [...training.inputs, join(run, 'config.json')]);
  try {
    await folder.begin();
    const text = { maxBytes: MAX_TEXT };
    const log = start.logBytes > 0 ? await readBounded(join(run, 'log.jsonl'), text) : Buffer.alloc(0);
    await writeFileAtomic(folder.at('log.jsonl'), log.subarray(0, start.logBytes));
    for (const name of ['timings.jsonl', 'figures.jsonl']) {
      if (await exists(join(run, name))) await writeFileAtomic(folder.at(name), await readBounded(join(run, name), text));
    }
    for (const { steps: at, path } of await previewsIn(run)) {
      if (at <= steps) await writeFileAtomic(folder.at(`previews/${basename(path)}`), await readBounded(path, text));
    }
    await folder.checkpoints.write(start);
    const { device, kernels } = config;
    const made = { device, ...(kernels !== undefined && { kernels }), started: new Date().toISOString() };
    await folder.config({ ...recordOf(training), ...made, status: 'interrupted', stepsDone: steps, seconds: start.seconds });
  } finally {
    await folder.close();
  }
}
