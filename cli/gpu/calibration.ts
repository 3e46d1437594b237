/** What calibration found out about each adapter, in the cache folder: one file for an adapter, driver and version. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UNFINISHED, type Calibration, type CalibrationStore } from '../../engine/index.js';
import { cacheFolder } from '../shared/cache.js';
import { readJson, sha256, writeJson } from '../shared/files.js';
import { version } from '../shared/version.js';
import type { AdapterSummary } from './device.js';

const areTexts = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string');

/** The calibration in a JSON object; undefined when it is none. */
export function calibrationIn(value: unknown): Calibration | undefined {
  const { chosen, struck } = (value ?? {}) as Partial<Calibration>;
  return areTexts(chosen) && areTexts(struck) ? { chosen, struck } : undefined;
}

/** Waits for a calibration. A kernel that an interrupt stopped is not struck out for it. @throws what `work` throws */
export async function interruptible<T>(store: CalibrationStore, signal: AbortSignal, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const known = signal.aborted ? await store.read() : undefined;
    if (known) {
      const struck = Object.fromEntries(Object.entries(known.struck).filter(([, why]) => why !== UNFINISHED));
      await store.write({ ...known, struck });
    }
    throw error;
  }
}

export interface StoredCalibration extends CalibrationStore {
  readonly path: string;
}

/** The store of an adapter. A damaged file counts as none. Writing @throws InputError when the cache folder cannot be written */
export function calibrationStore(adapter: AdapterSummary): StoredCalibration {
  const of = { adapter, version: version() };
  const path = join(cacheFolder(), 'kernels', `${sha256(Buffer.from(JSON.stringify(of))).slice(0, 16)}.json`);
  return {
    path,
    read: async () => calibrationIn(await readJson(path)),
    write: async (calibration) => {
      await mkdir(dirname(path), { recursive: true });
      await writeJson(path, { ...of, ...calibration });
    },
  };
}
