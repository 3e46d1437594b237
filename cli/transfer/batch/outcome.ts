/** The outcome of a pair, from the files in its folder. */
import { join } from 'node:path';
import { recentTotal } from '../../../model/training/log.js';
import { parseLog } from '../../run/log.js';
import { exists, readJson } from '../../shared/files.js';
import type { PairResult } from './page.js';
import { readText } from '../../shared/read.js';

type Outcome = Pick<PairResult, 'stepsDone' | 'seconds' | 'total' | 'match' | 'figures' | 'trained' | 'picture' | 'result'>;

/** Everything that is there and readable; a page must not fail because a file does. */
export async function readOutcome(folder: string, name: string): Promise<Outcome> {
  const { stepsDone, seconds } = (await readJson(join(folder, 'config.json'))) ?? {};
  const { match, losses, result, trained } = (await readJson(join(folder, 'report.json'))) ?? {};
  const path = join(folder, 'log.jsonl');
  const log = await readText(path).then((text) => parseLog(path, text)).catch(() => []);
  const { total = recentTotal(log, Number(stepsDone)) } = (losses ?? {}) as { total?: number };
  return {
    ...(typeof stepsDone === 'number' && { stepsDone }),
    ...(typeof seconds === 'number' && { seconds }),
    ...(total !== undefined && { total }),
    ...(typeof match === 'number' && { match }),
    ...(typeof result === 'object' && result !== null && { figures: result }),
    ...(typeof trained === 'object' && trained !== null && { trained }),
    ...((await exists(join(folder, 'result.png'))) && { result: `${name}/result.png` }),
    ...((await exists(join(folder, 'triptych.png'))) && { picture: `${name}/triptych.png` }),
  };
}
