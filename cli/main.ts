/** The command line: a table of commands. `run` can be called from any program; bin.ts is the executable. */
import { Command } from 'commander';
import { createEngine } from '../engine/index.js';
import type { openJudge as Open } from '../model/compare/judge.js';
import type { startPretrain as StartPretrain } from '../model/pretraining/pretrain.js';
import type { startSplice as Start } from '../model/training/pair.js';
import { bench } from './bench/bench.js';
import { applyCommand } from './commands/apply.js';
import { attentionCommand } from './commands/attention.js';
import { augmentCommand } from './commands/augment.js';
import { batchCommand } from './commands/batch.js';
import { benchCommand } from './commands/bench.js';
import { compareCommand } from './commands/compare.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { figuresCommand } from './commands/figures.js';
import { invertCommand } from './commands/invert.js';
import { modelsCommand } from './commands/models.js';
import { pcaCommand } from './commands/pca.js';
import { pretrainCommand } from './commands/pretrain.js';
import { probeCommand } from './commands/probe.js';
import { trainCommand } from './commands/train.js';
import { transferCommand } from './commands/transfer.js';
import { viewCommand } from './commands/view.js';
import { openDevice, summarize } from './gpu/device.js';
import { doctor } from './gpu/doctor.js';
import { interruptSignal } from './shared/interrupt.js';
import { addToModels, getModels, listModels, removeModels, verifyModels } from './models/manage.js';
import { pretrain } from './pretrain/pretrain.js';
import { probe } from './pretrain/probe.js';
import type { ResumeOptions } from './run/config.js';
import { resumeTransfer, transfer, type OpenedEngine, type TransferOptions } from './transfer/transfer.js';
import { version } from './shared/version.js';
import { view } from './watch/view.js';

// Loaded when needed: doctor, --help and wrong options do without the models.
const startSplice: typeof Start = async (...inputs) => (await import('../model/training/pair.js')).startSplice(...inputs);
const openJudge: typeof Open = async (...inputs) => (await import('../model/compare/judge.js')).openJudge(...inputs);
const startPretrain: typeof StartPretrain = async (...inputs) => (await import('../model/pretraining/pretrain.js')).startPretrain(...inputs);

async function openEngine(): Promise<OpenedEngine> {
  const { adapter, device } = await openDevice();
  const engine = createEngine(device);
  const close = () => {
    engine.destroy();
    device.destroy();
  };
  return { engine, adapter: summarize(adapter), close };
}

/** Runs one command line, as `process.argv` has it, and returns its exit code. @throws what errorLine puts into words */
export async function run(argv: readonly string[]): Promise<number> {
  let code = 0;
  const { stdout, stderr } = process;
  const program = new Command('splice-gpu')
    .description('paints one photo with the look of another, on WebGPU')
    .version(version())
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  const parts = () => ({ openEngine, startSplice, openJudge, interrupt: interruptSignal(), stdout, stderr });
  const runTransfer = async (options: TransferOptions) => {
    code = await transfer(options, parts());
  };
  const runResume = async (options: ResumeOptions) => {
    code = await resumeTransfer(options, parts());
  };
  const studyParts = () => ({ openEngine, interrupt: interruptSignal(), stdout, stderr });
  const commands = [
    transferCommand(runTransfer, runResume, {
      apply: async (options) => {
        code = await (await import('./transfer/onePass.js')).applyToPair(options, studyParts());
      },
      finetune: async (options) => {
        code = await (await import('./transfer/finetune.js')).finetune(options, parts());
      },
    }),
    batchCommand(async (options) => {
      code = await (await import('./transfer/batch/batch.js')).batch(options, parts());
    }),
    demoCommand(runTransfer),
    pretrainCommand(async (command) => {
      code = await pretrain(command, { openEngine, startPretrain, interrupt: interruptSignal(), stdout, stderr });
    }),
    probeCommand(async (options) => {
      code = await probe(options, openEngine, stdout, stderr);
    }),
    viewCommand(async (options) => {
      code = await view(options, interruptSignal(), { stdout, stderr });
    }),
    benchCommand(async (options) => {
      code = await bench(options, openEngine, stdout, stderr);
    }),
    compareCommand(async (options) => {
      code = await (await import('./study/compare.js')).compare(options, openEngine, { stdout, stderr });
    }),
    pcaCommand(async (options) => {
      code = await (await import('./study/pca.js')).pca(options, studyParts());
    }),
    invertCommand(async (options) => {
      code = await (await import('./study/invert.js')).invert(options, studyParts());
    }),
    applyCommand(async (options) => {
      code = await (await import('./study/apply.js')).apply(options, studyParts());
    }),
    augmentCommand(async (options) => {
      code = await (await import('./study/augment.js')).augment(options, studyParts());
    }),
    figuresCommand(async (options) => {
      code = await (await import('./study/figures/figures.js')).figures(options, parts());
    }),
    attentionCommand(async (options) => {
      code = await (await import('./study/attention.js')).attention(options, studyParts());
    }),
    trainCommand(
      async (options) => {
        code = await (await import('./train/train.js')).train(options, studyParts());
      },
      async (options) => {
        code = await (await import('./train/train.js')).resumeTrain(options, studyParts());
      },
    ),
    doctorCommand(async (options) => {
      code = await doctor(options, stdout);
    }),
    modelsCommand({
      list: (json) => listModels(json, { stdout, stderr }),
      get: (options) => getModels(options, interruptSignal(), { stdout, stderr }),
      add: (path, name) => addToModels(path, name, { stdout, stderr }),
      verify: async (names) => {
        code = (await verifyModels(names, { stdout, stderr })) ? 0 : 1;
      },
      remove: (names) => removeModels(names, { stdout, stderr }),
    }),
  ];
  for (const command of commands) {
    program.addCommand(command.copyInheritedSettings(program));
    for (const part of command.commands) part.copyInheritedSettings(command);
  }
  await program.parseAsync(argv);
  return code;
}
