/** The command lines of the trainings: options, their fields, and what they call. The work only records its options. */
import type { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pretrainCommand } from '../../cli/commands/pretrain.js';
import { trainCommand } from '../../cli/commands/train.js';
import { transferCommand } from '../../cli/commands/transfer.js';
import { errorLine, exitCodeOf } from '../../cli/shared/errors.js';
import { defaultAnyPair, defaultSizes } from '../../model/anyPair/options.js';
import { defaultOptions, published, STILL } from '../../model/method/options.js';
import { distillationDefaults, pretrainDefaults } from '../../model/pretraining/options.js';
import { failure } from '../helpers/runs.js';

/** The name of the work and the options that it was given. */
type Call = readonly [work: string, options: any];
type Recorder = (work: string) => (options: unknown) => Promise<void>;

const commands = {
  transfer: (on: Recorder) =>
    transferCommand({
      run: on('run'), resume: on('resume'), branch: on('branch'), onePass: on('onePass'), finetune: on('finetune'),
    }),
  train: (on: Recorder) => trainCommand({ run: on('run'), resume: on('resume') }),
  pretrain: (on: Recorder) => pretrainCommand({ run: on('run'), resume: on('resume') }),
};
type Name = keyof typeof commands;

function commandOf(name: Name, calls: Call[] = []): Command {
  const ignore = (): void => undefined;
  const command = commands[name]((work) => async (options) => void calls.push([work, options]));
  return command.exitOverride().configureOutput({ writeErr: ignore, outputError: ignore });
}

/** What the command calls for a line of arguments. */
async function called(name: Name, line: string): Promise<Call> {
  const calls: Call[] = [];
  await commandOf(name, calls).parseAsync(line.split(' '), { from: 'user' });
  assert.is(calls.length, 1, line);
  return calls[0]!;
}

/** Asserts that the command calls nothing and ends with exit code 2 and this message. */
async function refused(name: Name, line: string, message: string): Promise<void> {
  const calls: Call[] = [];
  const error = await failure(commandOf(name, calls).parseAsync(line.split(' '), { from: 'user' }));
  const printed = errorLine(error)!.replace(' (--help lists the options)', '');
  assert.equal([printed, exitCodeOf(error), calls], [message, 2, []], line);
}

/** The values of `after` that differ from `before`, by their paths. */
function changes(before: any, after: any, path: readonly string[] = []): Record<string, unknown> {
  const areObjects = [before, after].every((value) => typeof value === 'object' && value !== null && !Array.isArray(value));
  if (!areObjects) return JSON.stringify(before) === JSON.stringify(after) ? {} : { [path.join('.')]: after };
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return Object.assign({}, ...[...names].map((name) => changes(before[name], after[name], [...path, name])));
}

/** An option on the command line, its field, the value there, and what else it changes. */
type Row = readonly [option: string, field: string, value: unknown, others?: Readonly<Record<string, unknown>>];

const outputRows: readonly Row[] = [
  ['--force', 'force', true], ['--watch', 'watch', 0], ['--watch 8080', 'watch', 8080], ['--json', 'json', true],
  ['--no-tune', 'tune', false],
];

/** The method's options, which are in the field `of`. */
const methodRows = (of: string): readonly Row[] => [
  ['--steps 7', `${of}.steps`, 7], ['--seed 4294967295', `${of}.seed`, 4294967295],
  ['--lambda-structure 2.5', `${of}.lambdaStructure`, 2.5], ['--lambda-appearance 3.5', `${of}.lambdaAppearance`, 3.5],
  ['--lambda-identity 0', `${of}.lambdaIdentity`, 0], ['--lr 0.5', `${of}.lr`, 0.5],
  ['--no-antialias', `${of}.antialias`, false], ['--vit-size 99', `${of}.vitSize`, 99],
  ['--checkpointing', `${of}.checkpointing`, true], ['--precision f16', `${of}.precision`, 'f16'],
  ['--warm-start 0', `${of}.warmStart`, 0],
];

const transferRows: readonly Row[] = [
  ['--warm-seed 3', 'splice.warmSeed', 3],
  ['--ema 0.5', 'splice.ema', 0.5], ['--lr-decay 1', 'splice.lrDecay', 1], ['--clip 1.5', 'splice.clip', 1.5],
  ['--lr-warmup 0.5', 'splice.lrWarmup', 0.5],
  ['--lambda-patches 5', 'splice.lambdaPatches', 5], ['--key-layers 8,11', 'splice.keyLayers', [8, 11]],
  ['--strength 0,0.5,1.5', 'strength', [0, 0.5, 1.5]],
  ['--lambda-texture 6', 'splice.lambdaTexture', 6],
  ['--patch-colours 6', 'splice.patchColours', 6], ['--lambda-colours 5', 'splice.lambdaColours', 5],
  ['--lambda-still 7', 'splice.lambdaStill', 7], ['--warm-look 0.5', 'splice.warmLook', 0.5],
  ...outputRows, ['--recipe splice-transfer', 'splice.recipe', 'splice-transfer'],
  ['--model v.pth', 'model', 'v.pth'], ['--heads 3', 'vit.heads', 3], ['--patch 4', 'vit.patch', 4],
  ['--mean 0', 'vit.mean', [0, 0, 0]], ['--std 0.1,0.2,0.3', 'vit.std', [0.1, 0.2, 0.3]],
  ['--size 64', 'size', 64, { choose: ['vitSize', 'steps'] }], ['--save-every 9', 'saveEvery', 9],
  ['--keep-every 9', 'keepEvery', 9], ['--until plateau', 'until', 'plateau'], ['--fit', 'fit', 600],
  ['--time 90s', 'fit', 90], ['--seeds 3', 'seeds', { count: 3, first: 1 }],
  ['--detail 0.25', 'detail', 0.25], ['--upscale 2.5', 'upscale', 2.5], ['--output-size 300', 'outputSize', 300],
  ['--test-time-registers 7:417,6:189', 'testTimeRegisters', '7:417,6:189'],
];

/** What is left to the program, if these are given. */
const without = (...given: string[]) => ({ choose: ['size', 'vitSize', 'steps'].filter((name) => !given.includes(name)) });
const chosenRows: readonly Row[] = methodRows('splice').map(([option, field, value]): Row => {
  const name = field.split('.')[1]!;
  return ['steps', 'vitSize'].includes(name) ? [option, field, value, without(name)] : [option, field, value];
});

const trainRows: readonly Row[] = [
  ...outputRows, ...methodRows('anyPair'), ['--recipe splice', 'anyPair.recipe', 'splice'], ['--model v.pth', 'model', 'v.pth'],
  ['--size 36', 'anyPair.size', 36], ['--batch 3', 'anyPair.batch', 3], ['--ema 0', 'anyPair.ema', 0],
  ['--beta1 0.5', 'anyPair.betas', [0.5, 0.99]], ['--hold-out 0', 'holdOut', 0], ['--validate-every 8', 'validateEvery', 8],
  ['--validate-pairs 2', 'shown', 2], ['--channels 1,2,3,4,5', 'anyPair.sizes.channels', [1, 2, 3, 4, 5]],
  ['--tokens single', 'anyPair.sizes.tokens', 'single'], ['--token-count 5', 'anyPair.sizes.expanded', 5],
  ['--token-width 6', 'anyPair.sizes.width', 6], ['--heads 7', 'anyPair.sizes.heads', 7],
  ['--head-size 8', 'anyPair.sizes.headSize', 8], ['--scales 0', 'anyPair.sizes.scales', 0],
];

/** Options that have no effect with --teacher. */
const ownAverageRows: readonly Row[] = [
  ['--local-size 16', 'options.localSize', 16], ['--locals 0', 'options.locals', 0],
  ['--head-hidden 3', 'options.headHidden', 3], ['--bottleneck 4', 'options.bottleneck', 4],
  ['--prototypes 5', 'options.prototypes', 5], ['--momentum 0', 'options.momentum', 0],
  ['--teacher-temp-start 0.5', 'options.teacherTempStart', 0.5], ['--teacher-temp 0.6', 'options.teacherTemp', 0.6],
  ['--teacher-warmup-epochs 0', 'options.teacherWarmupEpochs', 0], ['--freeze-last-layer 0', 'options.freezeLastLayer', 0],
];

/** Options that have an effect with --teacher alone. */
const teacherRows: readonly Row[] = [
  ['--views 8', 'options.views', 8], ['--mixup 0.5', 'options.mixup', 0.5],
  ['--other-sizes 96,128', 'options.otherSizes', [96, 128]],
];

const sharedPretrainRows: readonly Row[] = [
  ...outputRows, ['--init w.safetensors', 'init', 'w.safetensors'], ['--save-every 9', 'saveEvery', 9],
  ['--dim 60', 'options.dim', 60], ['--depth 2', 'options.depth', 2], ['--heads 5', 'options.heads', 5],
  ['--patch 16', 'options.patch', 16], ['--image-size 32', 'options.imageSize', 32], ['--batch 9', 'options.batch', 9],
  ['--epochs 3', 'options.epochs', 3], ['--seed 0', 'options.seed', 0], ['--lr 0.25', 'options.lr', 0.25],
  ['--min-lr 0', 'options.minLr', 0], ['--warmup-epochs 0', 'options.warmupEpochs', 0],
  ['--weight-decay 0', 'options.weightDecay', 0], ['--weight-decay-end 0', 'options.weightDecayEnd', 0],
  ['--clip 1.5', 'options.clip', 1.5],
];

const [splice, anyPair] = [{ ...defaultOptions, lambdaStill: STILL }, { ...defaultAnyPair, sizes: defaultSizes }];
const output = { out: 'o', force: false, json: false };
const pair = '--structure a.png --appearance b.png --out o';

/** Shortest command lines, and the options that they give. */
const shortest = {
  transfer: [pair, {
    structure: 'a.png', appearance: 'b.png', ...output, model: 'auto', vit: {}, ...without(), detail: 'auto', saveEvery: 250,
    splice,
  }],
  train: ['--photos p --out o', {
    structures: 'p', appearances: 'p', ...output, model: 'auto', holdOut: 20, validateEvery: 500, shown: 6, anyPair,
  }],
  pretrain: ['--photos p --out o', { photos: ['p'], ...output, options: pretrainDefaults }],
} as const satisfies Record<Name, readonly [string, object]>;

const rows: Readonly<Record<Name, readonly Row[]>> = {
  transfer: [...transferRows, ...chosenRows], train: trainRows, pretrain: [...sharedPretrainRows, ...ownAverageRows],
};
/** Options without a field of their own in a new run, or that come in pairs: regions.test.ts has those. */
const others: Readonly<Record<Name, readonly string[]>> = {
  transfer: [
    '--structure a.png', '--appearance b.png', '--out o', '--generator g', '--finetune 3', '--mix 0,1', '--judge v.pth',
    '--published', '--from r', '--set lr=1', '--structure-regions a.png', '--appearance-regions b.png',
    '--shared-steps 4',
  ],
  train: ['--photos p', '--structures s', '--appearances a', '--out o'],
  pretrain: ['--photos p', '--out o', '--teacher t', ...teacherRows.map(([option]) => option)],
};

for (const name of ['transfer', 'train', 'pretrain'] as const) {
  const [line, defaults] = shortest[name];
  const given = [...others[name], ...rows[name].map(([option]) => option)];
  const flagOf = (option: string) => option.split(' ')[0]!;

  test(`${name}: without options the work is given the defaults`, async () => {
    assert.equal(await called(name, line), ['run', defaults]);
  });

  test(`${name}: every option changes its field and no other`, async () => {
    for (const [option, field, value, also] of rows[name]) {
      const [work, options] = await called(name, `${line} ${option}`);
      assert.equal([work, changes(defaults, options)], ['run', { [field]: value, ...also }], option);
    }
    const tested = new Set(['--resume', ...given.map(flagOf)]);
    assert.equal(commandOf(name).options.map(({ long }) => long!).sort(), [...tested].sort(), 'the tables have every option');
  });

  test(`${name}: --resume takes no option that the folder decides`, async () => {
    const more = { transfer: ['--steps', '--until', '--strength'], train: ['--steps'], pretrain: [] }[name];
    const allowed = ['--watch', '--json', ...more];
    assert.equal(await called(name, '--resume d'), ['resume', { folder: 'd', json: false }]);
    assert.equal(await called(name, '--resume d --json --watch'), ['resume', { folder: 'd', json: true, watch: 0 }]);
    assert.equal(await called(name, '--watch 81 --resume d'), ['resume', { folder: 'd', json: false, watch: 81 }]);
    for (const option of given.filter((each) => !allowed.includes(flagOf(each)))) {
      const refusal = `${flagOf(option)} cannot be given with --resume, which takes it from d: leave it out`;
      await refused(name, `--resume d ${option}`, refusal);
    }
  });
}

test('transfer: --resume takes --until and --strength', async () => {
  assert.equal(await called('transfer', '--resume d --until steps'), ['resume', { folder: 'd', json: false, until: 'steps' }]);
  const strength = [0, 1.5];
  assert.equal(await called('transfer', '--resume d --strength 0,1.5'), ['resume', { folder: 'd', json: false, strength }]);
});

test('transfer: --shared-steps are those of --warm-seed', async () => {
  const [line, defaults] = shortest.transfer;
  const [, options] = await called('transfer', `${line} --warm-seed 3 --shared-steps 4`);
  assert.equal(changes(defaults, options), { 'splice.warmSeed': 3, 'splice.sharedSteps': 4 });
  assert.equal(changes(defaults, (await called('transfer', `${line} --warm-seed 1 --shared-steps 4`))[1]), {}, 'its own seed');
  const ofSeeds = await called('transfer', `${line} --seeds 4 --shared-steps 0`);
  assert.equal(ofSeeds[1].seeds, { count: 4, first: 1, sharedSteps: 0 });
  assert.is(ofSeeds[1].splice.sharedSteps, undefined, 'that of the comparison alone');
  const remedy = '--shared-steps are those of another seed: give --warm-seed, such as --warm-seed 1, or --seeds';
  await refused('transfer', `${line} --shared-steps 4`, remedy);
});

test('transfer, train: --resume takes --steps; pretrain has none', async () => {
  for (const name of ['transfer', 'train'] as const) {
    assert.equal(await called(name, '--resume d --steps 30'), ['resume', { folder: 'd', json: false, steps: 30 }]);
  }
  await refused('pretrain', '--resume d --steps 30', "unknown option '--steps'");
});

test('a missing option is named', async () => {
  const missing = (flags: string) => `required option '${flags}' not specified`;
  await refused('transfer', '--appearance b --out o', missing('--structure <file>'));
  await refused('transfer', '--structure a --out o', missing('--appearance <file>'));
  await refused('transfer', '--structure a --appearance b', missing('--out <dir>'));
  await refused('transfer', '--generator g --structure a --appearance b', missing('--out <dir>'));
  await refused('train', '--photos p', missing('--out <dir>'));
  await refused('pretrain', '--out o', missing('--photos <dir>'));
  await refused('pretrain', '--photos p', missing('--out <dir>'));
});

test('train: --photos, or both --structures and --appearances', async () => {
  const [, options] = await called('train', '--structures s --appearances a --out o');
  assert.equal(changes(shortest.train[1], options), { structures: 's', appearances: 'a' });
  for (const folders of ['--structures s', '--appearances a', '--photos p --structures s', '--photos p --appearances a',
    '--photos p --structures s --appearances a', '--json']) {
    const choices = 'give --photos DIR, or both --structures DIR and --appearances DIR';
    await refused('train', `${folders} --out o`, choices);
  }
});

test('train: values out of range are refused', async () => {
  for (const [option, flags, expected] of [
    ['--ema 1', '--ema <share>', 'Give a number from 0 to below 1.'],
    ['--beta1 -0.1', '--beta1 <share>', 'Give a number from 0 to below 1.'],
    ['--channels 1,2,3,4', '--channels <five>', 'Give five whole numbers with commas, such as 16,32,64,128,128.'],
    ['--channels 1,2,3,4,0', '--channels <five>', 'Give five whole numbers with commas, such as 16,32,64,128,128.'],
    ['--tokens some', '--tokens <mode>', 'Allowed choices are layers, expanded, single.'],
    ['--scales 6', '--scales <count>', 'Give a whole number from 0 to 5.'],
    ['--size 35', '--size <pixels>', 'Give a whole number from 36 to 2048.'],
  ] as const) {
    const [, value] = option.split(' ');
    const refusal = `option '${flags}' argument '${value}' is invalid. ${expected}`;
    await refused('train', `--photos p --out o ${option}`, refusal);
  }
});

const onePass = { generator: 'g', structure: 'a.png', appearances: ['b.png'], ...output, detail: 'auto' };

test('transfer --generator is one pass, with the generator\'s own ViT and size unless others are given', async () => {
  assert.equal(await called('transfer', `${pair} --generator g`), ['onePass', onePass]);
  const [work, options] = await called('transfer', `${pair} --generator g --model v.pth --size 64 --force --json`);
  assert.is(work, 'onePass');
  assert.equal(changes(onePass, options), { model: 'v.pth', size: 64, force: true, json: true });
});

test('transfer --generator --mix takes two appearances', async () => {
  const mixed = { ...onePass, appearances: ['b.png', 'c.png'], mix: [0, 0.25, 1] };
  assert.equal(await called('transfer', `${pair} --appearance c.png --generator g --mix 0,0.25,1`), ['onePass', mixed]);
  await refused('transfer', `${pair} --generator g --mix 0,1`, '--appearance is given once: --mix takes two');
  const three = `${pair} --appearance c.png --appearance d.png --generator g --mix 0,1`;
  await refused('transfer', three, '--appearance is given 3 times: --mix takes two');
  for (const shares of ['0,1.5', '-1', '0,,1']) {
    const refusal = `option '--mix <shares>' argument '${shares}' is invalid. `
      + 'Give numbers from 0 to 1 with commas, such as 0,0.25,0.5,0.75,1.';
    await refused('transfer', `${pair} --generator g --mix=${shares}`, refusal);
  }
});

test('transfer --from takes the options that are given, in either way', async () => {
  const [work, { given, ...rest }] = await called('transfer', '--from out/a@b@40 --set lr=0.01 --ema 0 --set size=full --out o');
  const set = { size: 'full', lr: 0.01, ema: 0 };
  assert.equal([work, rest], ['branch', { ...output, run: 'out/a@b', step: 40, set: { ...rest.set, ...set } }]);
  assert.equal([Object.keys(rest.set).sort(), given.splice.lr, given.splice.ema], [Object.keys(set).sort(), 0.01, 0]);
  const [, whole] = await called('transfer', '--from out/a --out o --set no-antialias --appearance c.png --watch');
  assert.equal([whole.run, 'step' in whole, whole.set], ['out/a', false, { appearance: 'c.png', antialias: false }]);
  assert.equal([whole.given.appearance, whole.given.splice.antialias, whole.watch], ['c.png', false, 0]);
  await refused('transfer', '--from out/a --out o --set lr', "option '--lr <rate>' argument missing");
});

test('transfer --generator --finetune trains on one pair and reports which options were given', async () => {
  const [work, { isGiven, ...options }] = await called('transfer', `${pair} --generator g --finetune 200 --lr 0.01 --watch`);
  const [, defaults] = shortest.transfer;
  const transfer = { ...defaults, watch: 0, splice: { ...splice, lr: 0.01 } };
  assert.equal([work, options], ['finetune', { generator: 'g', steps: 200, transfer }]);
  assert.equal(['lr', 'recipe', 'vitSize', 'antialias', 'model'].filter(isGiven), ['lr']);
});

test('transfer: options that do not go together are refused', async () => {
  const two = `${pair} --appearance c.png`;
  const once = '--appearance is given 2 times: give it once (twice is for --mix)';
  for (const more of ['', ' --generator g', ' --generator g --finetune 3']) await refused('transfer', two + more, once);
  await refused('transfer', `${pair} --finetune 3`, '--finetune needs --generator');
  await refused('transfer', `${two} --mix 0,1`, '--mix needs --generator');
  const either = 'give --mix or --finetune: one mixes conditions, the other trains on one pair';
  await refused('transfer', `${two} --generator g --mix 0,1 --finetune 3`, either);
});

test('transfer --published is the published method but for the options that are given', async () => {
  const [, options] = await called('transfer', `${pair} --published`);
  assert.equal(options.splice, { ...splice, ...published });
  assert.equal([options.size, options.detail, options.choose], [undefined, 0, []]);
  const [, given] = await called('transfer', `${pair} --warm-start 3 --published --clip 2`);
  assert.equal(given.splice, { ...splice, ...published, warmStart: 3, clip: 2 });
  const [, sized] = await called('transfer', `${pair} --published --size auto --detail 0.5`);
  assert.equal([sized.detail, sized.choose], [0.5, ['size']]);
});

test('transfer --generator: options without effect are refused', async () => {
  const onlyOf = (...options: string[]) => rows.transfer.filter(([option]) => !options.includes(option.split(' ')[0]!));
  for (const [option] of onlyOf('--force', '--json', '--model', '--size', '--detail', '--upscale', '--output-size')) {
    const why = 'with --generator, which trains nothing without --finetune: leave it out';
    await refused('transfer', `${pair} --generator g ${option}`, `${option.split(' ')[0]} cannot be given ${why}`);
  }
  for (const option of ['--steps 7', '--warm-start 0']) {
    const why = 'with --finetune, which sets the number of steps: leave it out';
    await refused('transfer', `${pair} --generator g --finetune 3 ${option}`, `${option.split(' ')[0]} cannot be given ${why}`);
  }
});

test('transfer: --size is auto, full or a number, and what is given is not chosen', async () => {
  const changed = async (more: string) => changes(shortest.transfer[1], (await called('transfer', pair + more))[1]);
  assert.equal(await changed(' --size auto'), {});
  assert.equal(await changed(' --size full'), without('size'));
  assert.equal(await changed(' --size full --steps 9 --vit-size 64'), { choose: [], 'splice.steps': 9, 'splice.vitSize': 64 });
  for (const value of ['0', 'half', '-3', '8193', '1.5']) {
    const refusal = `option '--size <pixels>' argument '${value}' is invalid. Give a whole number from 1 to 8192, auto or full.`;
    await refused('transfer', `${pair} --size=${value}`, refusal);
  }
  const [, { size }] = await called('transfer', `${pair} --generator g --size full`);
  assert.is(size, 'full');
});

test('transfer: bad values of detail are refused, and what has no effect', async () => {
  const invalid = (flags: string, value: string, expected: string): Promise<void> => refused(
    'transfer', `${pair} ${flags.split(' ')[0]}=${value}`, `option '${flags}' argument '${value}' is invalid. ${expected}`,
  );
  const range = 'Give a number from 0 to 1, or auto.';
  for (const value of ['1.01', '-0.1', 'much']) await invalid('--detail <strength>', value, range);
  for (const value of ['1', '0.5', '65']) await invalid('--upscale <factor>', value, 'Give a number above 1 and at most 64.');
  await invalid('--output-size <pixels>', '0', 'Give a whole number from 1 to 32768.');
  const idle = (option: string) => `${option} cannot be given with --detail 0, which leaves the size: leave one out`;
  await refused('transfer', `${pair} --detail 0 --upscale 2`, idle('--upscale'));
  await refused('transfer', `${pair} --detail 0 --output-size 99 --generator g`, idle('--output-size'));
  const both = "option '--upscale <factor>' cannot be used with option '--output-size <pixels>'";
  await refused('transfer', `${pair} --upscale 2 --output-size 99`, both);
  assert.equal((await called('transfer', `${pair} --detail 0`))[1].detail, 0);
});

test('pretrain: --photos may be given several times', async () => {
  const [, options] = await called('pretrain', '--photos p --photos q --out o');
  assert.equal(options.photos, ['p', 'q']);
});

test('pretrain --teacher has defaults of its own, and options without effect are refused', async () => {
  const [line, defaults] = shortest.pretrain;
  const learning = { ...defaults, options: { ...distillationDefaults, teacher: 't' } };
  assert.equal(await called('pretrain', `${line} --teacher t`), ['run', learning]);
  for (const [option, field, value] of [...sharedPretrainRows, ...teacherRows]) {
    const [, options] = await called('pretrain', `${line} --teacher t ${option}`);
    assert.equal(changes(learning, options), { [field]: value }, option);
  }
  await refused('pretrain', `${line} --views 8`, '--views has no effect without --teacher: leave it out');
  await refused('pretrain', `${line} --mixup 0.5`, '--mixup has no effect without --teacher: leave it out');
  for (const [option] of ownAverageRows) {
    const refusal = `${option.split(' ')[0]} has no effect with --teacher: leave one of them out`;
    await refused('pretrain', `${line} --teacher t ${option}`, refusal);
  }
});

test.run();
