/** The command line: a table of commands. `run` can be called from any program; bin.ts is the executable. */
import { Command } from 'commander';
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
import { queueCommand, workerCommand } from './commands/queue.js';
import { regionsCommand } from './commands/regions.js';
import { sheetCommand } from './commands/sheet.js';
import { shareCommand } from './commands/share.js';
import { studioCommand } from './commands/studio.js';
import { trainCommand } from './commands/train.js';
import { transferCommand } from './commands/transfer.js';
import { tuneCommand } from './commands/tune.js';
import { verifyCommand } from './commands/verify.js';
import { viewCommand } from './commands/view.js';
import { realParts, type Parts } from './run/parts.js';
import { interruptSignal } from './shared/interrupt.js';
import type { Io } from './shared/progress.js';
import { version } from './shared/version.js';

/** A command's work, loaded when it runs. Returns the exit code; 0 when it returns nothing. */
type Work<O> = (options: O, parts: Parts) => Promise<number | void>;
/** Turns the loader of a command's work into the function that the command calls with its options. */
type Does = <O>(load: () => Promise<Work<O>>) => (options: O) => Promise<void>;

/** All commands. */
const commands = (does: Does): Command[] => [
  transferCommand({
    run: does(async () => (await import('./transfer/start.js')).startTransfer),
    resume: does(async () => (await import('./transfer/start.js')).continueTransfer),
    branch: does(async () => (await import('./transfer/branch.js')).branch),
    onePass: does(async () => (await import('./transfer/onePass.js')).onePass),
    finetune: does(async () => (await import('./transfer/finetune.js')).finetune),
  }),
  batchCommand({
    run: does(async () => (await import('./transfer/batch/batch.js')).batch),
    queue: does(async () => (await import('./queue/batch.js')).queueBatch),
  }),
  workerCommand(does(async () => (await import('./queue/worker.js')).work)),
  queueCommand(does(async () => (await import('./queue/manage.js')).manageQueue)),
  demoCommand(does(async () => (await import('./transfer/transfer.js')).transfer)),
  trainCommand({
    run: does(async () => (await import('./train/train.js')).train),
    resume: does(async () => (await import('./train/train.js')).resumeTrain),
  }),
  pretrainCommand({
    run: does(async () => (await import('./pretrain/pretrain.js')).pretrain),
    resume: does(async () => (await import('./pretrain/pretrain.js')).resumePretrain),
  }),
  probeCommand(does(async () => (await import('./pretrain/probe.js')).probe)),
  viewCommand(does(async () => (await import('./view/view.js')).view)),
  shareCommand(does(async () => (await import('./share/share.js')).share)),
  studioCommand(does(async () => (await import('./studio/studio.js')).studio)),
  applyCommand(does(async () => (await import('./study/apply.js')).apply)),
  compareCommand(does(async () => (await import('./study/compare.js')).compare)),
  verifyCommand(does(async () => (await import('./study/verify.js')).verify)),
  regionsCommand(does(async () => (await import('./study/regions.js')).regions)),
  pcaCommand(does(async () => (await import('./study/pca.js')).pca)),
  attentionCommand(does(async () => (await import('./study/attention.js')).attention)),
  invertCommand(does(async () => (await import('./study/invert.js')).invert)),
  augmentCommand(does(async () => (await import('./study/augment.js')).augment)),
  sheetCommand(does(async () => (await import('./study/sheet.js')).sheet)),
  figuresCommand(does(async () => (await import('./study/figures/figures.js')).figures)),
  benchCommand(does(async () => (await import('./bench/bench.js')).bench)),
  tuneCommand(does(async () => (await import('./bench/tune.js')).tune)),
  doctorCommand(does(async () => (await import('./gpu/doctor.js')).doctor)),
  modelsCommand({
    list: does(async () => (await import('./models/manage.js')).listModels),
    get: does(async () => (await import('./models/manage.js')).getModels),
    add: does(async () => (await import('./models/manage.js')).addToModels),
    verify: does(async () => (await import('./models/manage.js')).verifyModels),
    remove: does(async () => (await import('./models/manage.js')).removeModels),
  }),
];

/**
 * Runs one command line, as `process.argv` has it, and returns its exit code. @param io what it prints to, and what
 * interrupts it; the process's own streams and signals when absent
 * @throws what `errorLine` puts into words, except for --help and --version: CommanderError with exit code 0
 */
export async function run(argv: readonly string[], io?: Io): Promise<number> {
  let code = 0;
  const does: Does = (load) => async (options) => {
    const { stdout, stderr } = process;
    const work = await load();
    const ended = new AbortController();
    try {
      code = (await work(options, realParts(io ?? { stdout, stderr, interrupt: interruptSignal(ended.signal) }))) ?? 0;
    } finally {
      ended.abort();
    }
  };
  const program = new Command('splice-gpu')
    .description('paint one photo with the look of another, on WebGPU')
    .version(version())
    .configureOutput({
      outputError: () => undefined,
      ...(io && { writeOut: (text) => void io.stdout.write(text), writeErr: (text) => void io.stderr.write(text) }),
    })
    .exitOverride();
  for (const command of commands(does)) {
    program.addCommand(command.copyInheritedSettings(program));
    for (const part of command.commands) part.copyInheritedSettings(command);
  }
  await program.parseAsync(argv);
  return code;
}
