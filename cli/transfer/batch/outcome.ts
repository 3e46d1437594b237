/** The outcome of a pair, from the files in its folder. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseLog } from '../../run/log.js';
import { exists, readJson } from '../../shared/files.js';
import type { PairResult } from './page.js';

type Outcome = Pick<PairResult, 'stepsDone' | 'seconds' | 'total' | 'match' | 'figures' | 'picture'>;

/** Everything that is there and readable; a page must not fail because a file does. */
export async function readOutcome(folder: string, name: string): Promise<Outcome> {
  const { stepsDone, seconds } = (await readJson(join(folder, 'config.json'))) ?? {};
  const { match, result } = (await readJson(join(folder, 'report.json'))) ?? {};
  const path = join(folder, 'log.jsonl');
  const log = await readFile(path, 'utf8').then((text) => parseLog(path, text)).catch(() => []);
  const recent = log.filter(({ step }) => step >= Number(stepsDone) - 50).map(({ total }) => total!);
  return {
    ...(typeof stepsDone === 'number' && { stepsDone }),
    ...(typeof seconds === 'number' && { seconds }),
    ...(recent.length > 0 && { total: recent.reduce((sum, total) => sum + total, 0) / recent.length }),
    ...(typeof match === 'number' && { match }),
    ...(typeof result === 'object' && result !== null && { figures: result }),
    ...((await exists(join(folder, 'triptych.png'))) && { picture: `${name}/triptych.png` }),
  };
}
