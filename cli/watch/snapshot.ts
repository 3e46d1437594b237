/** What is known about a run, as it goes from the server to the page; both sides import this file. */

/** `running` until someone asks for something else; the last four are for good. */
export type RunStatus = 'starting' | 'running' | 'paused' | 'stopping' | 'finished' | 'interrupted' | 'failed' | 'gone';

export const isOver = (status: RunStatus): boolean => ['finished', 'interrupted', 'failed', 'gone'].includes(status);

/** What does not change while a run lasts. */
export interface RunAbout {
  readonly title: string;
  /** Names and values for people: recipe, seed, device. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** Names of the curves; the first is the one that counts. */
  readonly terms: readonly string[];
  /** What to type to see this run again. */
  readonly again: string;
  /** What to type to go on with it when it was cut short. */
  readonly goOn?: string;
}

export interface RunState {
  readonly status: RunStatus;
  /** Such as `warm start` or `training`. */
  readonly phase: string;
  /** Steps done of `total`, all phases counted. */
  readonly done: number;
  readonly total: number;
  /** Not known before the first steps are through, nor while paused. */
  readonly stepsPerSecond?: number | undefined;
  readonly secondsLeft?: number | undefined;
  /** Of a run that is over. */
  readonly secondsTaken?: number | undefined;
  /** A sentence on how it went: why it failed, since when nothing happens. */
  readonly note?: string | undefined;
}

/** A step and the value of every term there, in the order of `terms`; null for a value that is not finite. */
export type LossRow = readonly [step: number, ...values: (number | null)[]];

/** A picture that is shown large. `version` changes with its content; `step` is what it is the result of. */
export interface PictureInfo {
  readonly name: string;
  readonly label: string;
  readonly version: number;
  readonly step?: number;
}

/** Everything a page shows except the pictures themselves. */
export interface Snapshot {
  readonly about: RunAbout;
  readonly state: RunState;
  readonly losses: readonly LossRow[];
  readonly pictures: readonly PictureInfo[];
  /** Steps with a preview, ascending. */
  readonly previews: readonly number[];
  /** Goes up whenever curves and previews are forgotten: a preview of the same step is another picture then. */
  readonly epoch: number;
}
