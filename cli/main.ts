#!/usr/bin/env node
/** The command line: hands options to the work, and turns what comes back into an exit code. */
import { Command } from 'commander';
import { createEngine } from '../engine/index.js';
import type { openJudge as Open } from '../model/compare/judge.js';
import type { startPretrain as StartPretrain } from '../model/pretraining/pretrain.js';
import type { startSplice as Start } from '../model/splice.js';
import { bench } from './bench.js';
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
import { openDevice, summarize } from './device.js';
import { doctor } from './doctor.js';
import { privateDriver, reexecute } from './driver.js';
import { errorDetail, errorLine, exitCodeOf, NoAdapterError } from './errors.js';
import { interruptSignal } from './interrupt.js';
import { addToModels, getModels, listModels, removeModels, verifyModels } from './models.js';
import { pretrain } from './pretrain.js';
import { probe } from './probe.js';
import type { ResumeOptions } from './resume.js';
import { resumeTransfer, transfer, type OpenedEngine, type TransferOptions } from './transfer.js';
import { version } from './version.js';
import { view } from './view.js';

// Loaded when needed: doctor, --help and wrong options do without the models.
const startSplice: typeof Start = async (...inputs) => (await import('../model/splice.js')).startSplice(...inputs);
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

/** Runs one command line; answers with its exit code. */
async function main(argv: readonly string[]): Promise<number> {
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
        code = await (await import('./general/apply.js')).applyToPair(options, studyParts());
      },
      finetune: async (options) => {
        code = await (await import('./general/finetune.js')).finetune(options, parts());
      },
    }),
    batchCommand(async (options) => {
      code = await (await import('./batch.js')).batch(options, parts());
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
      code = await (await import('./compare.js')).compare(options, openEngine, { stdout, stderr });
    }),
    pcaCommand(async (options) => {
      code = await (await import('./pca.js')).pca(options, studyParts());
    }),
    invertCommand(async (options) => {
      code = await (await import('./invert.js')).invert(options, studyParts());
    }),
    applyCommand(async (options) => {
      code = await (await import('./apply.js')).apply(options, studyParts());
    }),
    augmentCommand(async (options) => {
      code = await (await import('./augment.js')).augment(options, studyParts());
    }),
    figuresCommand(async (options) => {
      code = await (await import('./figures.js')).figures(options, parts());
    }),
    attentionCommand(async (options) => {
      code = await (await import('./attention.js')).attention(options, studyParts());
    }),
    trainCommand(
      async (options) => {
        code = await (await import('./general/train.js')).train(options, studyParts());
      },
      async (options) => {
        code = await (await import('./general/train.js')).resumeTrain(options, studyParts());
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

async function fail(error: unknown): Promise<number> {
  const driver = error instanceof NoAdapterError ? privateDriver() : undefined;
  if (driver) return reexecute(driver);
  const line = errorLine(error);
  if (line) process.stderr.write(`splice-gpu: ${line}\n`);
  if (line && process.env['DEBUG']) process.stderr.write(`${errorDetail(error)}\n`);
  return exitCodeOf(error);
}

process.stdout.on('error', () => process.exit(1)); // whoever read it is gone
const code = await main(process.argv).catch(fail);
// Dawn keeps Node alive, so the end is explicit; a piped stdout is written out before.
process.stdout.write('', () => process.exit(code));
