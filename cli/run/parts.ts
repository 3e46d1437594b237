/** The surroundings of a command: a device, the models' code, a signal, and output. */
import type { Engine } from '../../engine/index.js';
import type { startAnyPair } from '../../model/anyPair/training.js';
import type { openJudge } from '../../model/compare/judge.js';
import type { addDetail } from '../../model/detail/detail.js';
import type { tokenMatches } from '../../model/detail/matches.js';
import type { startPretrain } from '../../model/pretraining/pretrain.js';
import type { startSplice } from '../../model/training/pair.js';
import { measureApart } from '../gpu/apart.js';
import {
  deviceFacts, openDevice, summarize, type AdapterSummary, type DeviceFacts, type DeviceUse,
} from '../gpu/device.js';
import type { Io } from '../shared/progress.js';

export interface OpenedEngine {
  readonly engine: Engine;
  readonly adapter: AdapterSummary;
  close(): void;
}

/** Tests pass their own. */
export interface Parts extends Io {
  openEngine(use?: DeviceUse): Promise<OpenedEngine>;
  deviceFacts(): Promise<DeviceFacts>;
  /** Calibrates for a training, in a process of its own; absent: no calibration. See kernels.ts. */
  readonly measureApart?: typeof measureApart;
  readonly startSplice: typeof startSplice;
  readonly startAnyPair: typeof startAnyPair;
  readonly startPretrain: typeof startPretrain;
  readonly openJudge: typeof openJudge;
  readonly addDetail: typeof addDetail;
  readonly tokenMatches: typeof tokenMatches;
}

/** The same, with nothing on stdout. */
export const quietly = (parts: Parts): Parts => ({ ...parts, stdout: { write: () => undefined } });

async function openEngine(use?: DeviceUse): Promise<OpenedEngine> {
  const { createEngine } = await import('../../engine/index.js');
  const { adapter, device, units } = await openDevice(use);
  const engine = createEngine(device, units ? { tuning: { units } } : {});
  const close = () => {
    engine.destroy();
    device.destroy();
  };
  return { engine, adapter: summarize(adapter, units), close };
}

/** Once for all trainings of a command: what a second one needs besides is not worth another wait. */
function measureOnce(): typeof measureApart {
  let measured: Promise<number> | undefined;
  return (...request) => (measured ??= measureApart(...request));
}

/** The engine's and the models' code is loaded when it is called: --help and wrong options do without it. */
export const realParts = (io: Io): Parts => ({
  ...io,
  ...(process.env['SPLICE_GPU_TUNE'] !== '0' && { measureApart: measureOnce() }),
  openEngine,
  deviceFacts,
  startSplice: async (...inputs) => (await import('../../model/training/pair.js')).startSplice(...inputs),
  startAnyPair: async (...inputs) => (await import('../../model/anyPair/training.js')).startAnyPair(...inputs),
  startPretrain: async (...inputs) => (await import('../../model/pretraining/pretrain.js')).startPretrain(...inputs),
  openJudge: async (...inputs) => (await import('../../model/compare/judge.js')).openJudge(...inputs),
  addDetail: async (...inputs) => (await import('../../model/detail/detail.js')).addDetail(...inputs),
  tokenMatches: async (...inputs) => (await import('../../model/detail/matches.js')).tokenMatches(...inputs),
});
