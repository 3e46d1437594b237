/** The process of cli/gpu/apart.ts: reads a request from stdin, calibrates, writes lines of JSON, and ends at once. */
import { text } from 'node:stream/consumers';
import { calibrate, DeviceLostError, schedule, type CalibrationRow } from '../engine/index.js';
import { EXIT_LOST, type MeasureLine, type MeasureRequest } from './gpu/apart.js';
import { calibrationStore } from './gpu/calibration.js';
import { realParts, type Parts } from './run/parts.js';
import type { GraphsFor, Training } from './run/training.js';

/** The graphs of a training that is prepared again, from the same options. */
const ofTraining = async ({ tune }: Training): Promise<GraphsFor> => (graph) => (tune ? tune.graphs(graph) : Promise.resolve([]));

/** The graphs of each command. */
const graphsOf: Readonly<Record<string, (options: any, parts: Parts) => Promise<GraphsFor>>> = {
  transfer: async (options, parts) => ofTraining(await (await import('./transfer/transfer.js')).prepare(options, parts)),
  train: async (options, parts) => ofTraining(await (await import('./train/train.js')).prepare(options, parts)),
  pretrain: async (options, parts) => ofTraining(await (await import('./pretrain/pretrain.js')).prepare(options, parts)),
  tune: async (options) => async (graph) => (await import('./bench/tune.js')).stepGraphs(options, graph),
};

const write = (line: MeasureLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

async function measure(): Promise<number> {
  const { command, options, seconds, use } = JSON.parse(await text(process.stdin)) as MeasureRequest;
  const { stderr } = process;
  const parts = realParts({ stdout: stderr, stderr, interrupt: new AbortController().signal });
  const graphsFor = await graphsOf[command]!(options, parts);
  const { engine, adapter } = await parts.openEngine(use);
  const graphs = await graphsFor(() => engine.graph());
  const nodes = graphs.flatMap((outputs) => schedule(Object.values(outputs)).launches);
  const onRow = (row: CalibrationRow): void => write({ row });
  const { left } = await calibrate(engine, nodes, { store: calibrationStore(adapter), seconds, onRow });
  write({ left });
  return 0;
}

const code = await measure().catch((error: Error) => {
  const isLost = error instanceof DeviceLostError;
  write(isLost ? { lost: error.message } : { error: error.message });
  return isLost ? EXIT_LOST : 1;
});
// A device that is still busy must not be waited for.
process.stdout.write('', () => process.exit(code));
