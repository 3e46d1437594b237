/** What a page may ask of a run, and the place between two steps where the run obeys. */
import type { FeedWriter } from './feed.js';
import { isOver } from './snapshot.js';

/** What the buttons do; each may be called at any time and as often as one likes. */
export interface Controls {
  pause(): void;
  resume(): void;
  stop(): void;
  save(): void;
}

export const COMMANDS = ['pause', 'resume', 'stop', 'save'] as const satisfies readonly (keyof Controls)[];

export interface Gate {
  readonly controls: Controls;
  /** Aborted by `stop`, and by the signal the gate was made with. */
  readonly signal: AbortSignal;
  /**
   * To be awaited between steps: saves if that was asked for, and answers when the run is to go on or to stop: whether it was paused.
   * @param save writes everything worth keeping; called while paused too
   * @throws what `save` throws
   */
  pass(save: () => Promise<void>): Promise<boolean>;
}

/** A gate whose state is shown in `feed`. `interrupt` ends a pause. */
export function createGate(feed: FeedWriter, interrupt: AbortSignal): Gate {
  const stopping = new AbortController();
  const signal = AbortSignal.any([interrupt, stopping.signal]);
  let paused = false;
  let saving = false;
  let wake: () => void = () => undefined;

  const show = () => {
    const { status } = feed.snapshot().state;
    if (isOver(status) || status === 'starting') return;
    if (signal.aborted) feed.state({ status: 'stopping', stepsPerSecond: undefined, secondsLeft: undefined });
    else feed.state(paused ? { status: 'paused', stepsPerSecond: undefined, secondsLeft: undefined } : { status: 'running' });
  };
  const changed = () => {
    show();
    wake();
  };
  signal.addEventListener('abort', changed, { once: true });

  const controls: Controls = {
    pause: () => {
      paused = true;
      changed();
    },
    resume: () => {
      paused = false;
      changed();
    },
    stop: () => stopping.abort(),
    save: () => {
      saving = true;
      wake();
    },
  };
  const pass = async (save: () => Promise<void>): Promise<boolean> => {
    for (let waited = false; ; ) {
      if (saving) {
        saving = false;
        await save();
      } else if (paused && !signal.aborted) {
        waited = true;
        show();
        await new Promise<void>((resolve) => (wake = resolve));
      } else {
        return waited;
      }
    }
  };
  return { controls, signal, pass };
}
