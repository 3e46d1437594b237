/** What happens to a run's folder between two stretches of it: a row each, with what a resume does. */
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The inputs of a run in `out` that may be replaced. */
export interface Place {
  readonly out: string;
  readonly structure: string;
  readonly appearance: string;
  readonly model: string;
}

export interface Meddling {
  readonly name: string;
  /** Steps, the warm start counted, after which the run is stopped; it saves after 5 of them, 15 and 25. */
  readonly after: number;
  /** As after SIGKILL: the checkpoint of the interrupt is missing, and the config says running. */
  readonly killed: boolean;
  readonly change: (place: Place) => void;
  /** The refusal, or a line that a resume prints before it ends like an undisturbed run. */
  readonly expected: { readonly refused: RegExp } | { readonly told?: RegExp };
}

const rewrite = (path: string, change: (text: string) => string): void =>
  writeFileSync(path, change(readFileSync(path, 'latin1')), 'latin1');
const config = (change: (config: any) => void) => ({ out }: Place): void =>
  rewrite(join(out, 'config.json'), (text) => {
    const value = JSON.parse(text);
    change(value);
    return JSON.stringify(value);
  });
const log = (change: (text: string) => string) => ({ out }: Place): void => rewrite(join(out, 'log.jsonl'), change);
const both = (...changes: readonly Meddling['change'][]): Meddling['change'] => (place) => changes.forEach((each) => each(place));

/** Config.json as earlier versions wrote it: hashes alone. */
const older = config((value) => delete value.identity);
const otherPhoto = (name: 'structure' | 'appearance') => (place: Place): void =>
  writeFileSync(place[name], readFileSync(place[name === 'structure' ? 'appearance' : 'structure']));
const otherModel = ({ model }: Place): void => rewrite(model, (text) => `${text.slice(0, -4)}\0\0\0\0`);

const kinds = [
  ['structure photo', otherPhoto('structure'), /is not the structure photo that the run in .* began with: put that one back/],
  ['appearance photo', otherPhoto('appearance'), /is not the appearance photo that the run in .* began with/],
  ['ViT weights', otherModel, /is not the ViT weights that the run in .* began with/],
] as const;

const start = { after: 3, killed: true } as const;
const later = { after: 28, killed: true } as const;

export const meddlings: readonly Meddling[] = [
  ...kinds.flatMap(([what, change, refused]): Meddling[] => [
    { name: `another ${what} before the first checkpoint`, ...start, change, expected: { refused } },
    { name: `another ${what} before the first checkpoint of an older run`, ...start, change: both(older, change),
      expected: { refused } },
    { name: `another ${what} after a checkpoint`, ...later, change, expected: { refused } },
  ]),
  {
    name: 'another seed in the config before the first checkpoint', ...start,
    change: config((value) => (value.options.seed = 77)),
    expected: { refused: /config\.json does not have the settings that the run began with/ },
  },
  { name: 'nothing, before the first checkpoint', ...start, change: () => undefined, expected: { told: /from the beginning/ } },
  { name: 'nothing, before the first checkpoint of an older run', ...start, change: older, expected: {} },
  {
    name: 'a digit of the log behind the checkpoint before', after: 28, killed: false,
    change: log((text) => text.replace(/("step":20,"structure":0\.)\d/, '$17')),
    expected: { told: /log\.jsonl is not as it was when a checkpoint was written: trying the checkpoint before it/ },
  },
  {
    name: 'a digit of the first line of the log', ...later, change: log((text) => text.replace(/"total":10/, '"total":11')),
    expected: { refused: /no checkpoint in .* can be used/ },
  },
  {
    name: 'two lines of the log change places', ...later,
    change: log((text) => text.split('\n').map((line, i, all) => (i < 2 ? all[1 - i]! : line)).join('\n')),
    expected: { refused: /no checkpoint in .* can be used/ },
  },
  {
    name: 'lines behind those of the checkpoint', ...later,
    change: ({ out }) => appendFileSync(join(out, 'log.jsonl'), '{"step":30,"total":1}\nhalf'), expected: {},
  },
  {
    name: 'pictures of the last checkpoint are missing', ...later,
    change: ({ out }) => {
      for (const name of ['previews/00020.png', 'losses.svg']) rmSync(join(out, name));
      rewrite(join(out, 'figures.jsonl'), (text) => `${text.split('\n')[0]!}\n`);
    },
    expected: {},
  },
  { name: 'the lock of a dead process of this machine', ...later, change: lock({}), expected: {} },
  {
    name: 'the lock of a process in another container', ...later, change: lock({ namespace: 'pid:[1]' }),
    expected: { refused: /in use by process 1 on another container of .* if it is gone, delete .*\.running-c1\.json/ },
  },
  {
    name: 'the lock of another machine', ...later, change: lock({ host: 'elsewhere' }),
    expected: { refused: /in use by process 1 on elsewhere/ },
  },
  {
    name: 'a lock from before the machine started again', ...later, change: lock({ boot: 'before', namespace: 'pid:[1]' }),
    expected: {},
  },
  { name: 'a lock of an earlier version', ...later, change: lock({ namespace: undefined }), expected: {} },
];

/** Puts a lock there that this process would write, but for `fields`; its process has ended. */
function lock(fields: object): Meddling['change'] {
  return ({ out }) => {
    const own = JSON.parse(readFileSync(join(out, 'own-lock.json'), 'utf8')) as object;
    rmSync(join(out, 'own-lock.json'));
    writeFileSync(join(out, '.running-c1.json'), JSON.stringify({ ...own, pid: 1, start: 'another', ...fields }));
  };
}
