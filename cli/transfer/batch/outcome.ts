/** What a pair's folder says about how it went. */
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogEntry } from '../../run/curve.js';
import { parseLog } from '../../run/log.js';
import type { PairResult } from './page.js';

type Outcome = Pick<PairResult, 'stepsDone' | 'seconds' | 'total' | 'match' | 'figures' | 'picture'>;

/** Everything that is there and readable; a page must not fail because a file does. */
export async function readOutcome(folder: string, name: string): Promise<Outcome> {
  const config = await readJson(join(folder, 'config.json'));
  const report = await readJson(join(folder, 'report.json'));
  const hasPicture = await access(join(folder, 'triptych.png')).then(() => true, () => false);
  const { stepsDone, seconds } = config;
  const { match, result } = report;
  const path = join(folder, 'log.jsonl');
  const log = await readFile(path, 'utf8').then((text) => parseLog(path, text), () => [] as LogEntry[]).catch(() => []);
  const recent = log.filter(({ step }) => step >= Number(stepsDone) - 50).map(({ total }) => total);
  return {
    ...(typeof stepsDone === 'number' && { stepsDone }),
    ...(typeof seconds === 'number' && { seconds }),
    ...(recent.length > 0 && { total: recent.reduce((sum, total) => sum + total, 0) / recent.length }),
    ...(typeof match === 'number' && { match }),
    ...(typeof result === 'object' && result !== null && { figures: result }),
    ...(hasPicture && { picture: `${name}/triptych.png` }),
  };
}

async function readJson(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
