/** The ways in which the world ends a run, or what it prints to: a row each, with what is kept. */

export interface End {
  readonly name: string;
  /** The shell's command around the run, which is `"$@"`; the run itself when absent. */
  readonly shell?: string;
  /** Sent to the run after some steps. */
  readonly signals?: readonly NodeJS.Signals[];
  /** The reader of this output leaves after some steps. */
  readonly leaves?: 'stdout' | 'stderr';
  readonly expected: {
    readonly code: number;
    /** In config.json. */
    readonly status: 'finished' | 'interrupted';
    readonly stderr?: RegExp;
  };
}

const saved = { code: 130, status: 'interrupted' } as const;
const whole = { code: 0, status: 'finished' } as const;

export const ends: readonly End[] = [
  ...(['SIGHUP', 'SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGXCPU', 'SIGUSR2', 'SIGALRM', 'SIGPWR'] as const).map((signal) =>
    ({ name: `${signal} saves`, signals: [signal], expected: saved })),
  { name: 'hangups of the shell and of the system', signals: ['SIGHUP', 'SIGHUP', 'SIGHUP'], expected: saved },
  { name: 'hangup under nohup', shell: 'nohup "$@"', signals: ['SIGHUP'], expected: whole },
  { name: 'hangup under a shell that ignores it', shell: `trap '' HUP; "$@"; exit $?`, signals: ['SIGHUP'], expected: whole },
  { name: 'hangup with the output of nohup', shell: 'exec "$@" > "$TMPDIR/nohup.out"', signals: ['SIGHUP'], expected: whole },
  { name: 'hangup with the input of nohup', shell: 'exec "$@" 0> /dev/null', signals: ['SIGHUP'], expected: whole },
  { name: 'termination under nohup', shell: 'exec nohup "$@"', signals: ['SIGTERM'], expected: saved },
  { name: 'the reader of stderr leaves', leaves: 'stderr', expected: whole },
  { name: 'the reader of stdout leaves', leaves: 'stdout', expected: { ...whole, code: 1 } },
  { name: 'stderr is full', shell: 'exec "$@" 2> /dev/full', expected: whole },
  {
    name: 'stdout is full', shell: 'exec "$@" > /dev/full',
    expected: { ...whole, code: 1, stderr: /splice-gpu: the output does not fit: the disk is full/ },
  },
  {
    name: 'both are full', shell: 'exec "$@" > /dev/full 2>&1', expected: { ...whole, code: 1 },
  },
  { name: 'stdout and stderr are closed', shell: 'exec "$@" >&- 2>&-', expected: whole },
];
