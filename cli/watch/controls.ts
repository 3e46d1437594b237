/** The commands of a page, and the gate between two steps where the run obeys them. */
import type { FeedWriter } from './feed.js';
import { isOver, type CommandName } from './snapshot.js';

/** The work of the page's buttons; each may be called at any time, any number of times. */
export type Controls = Readonly<Record<CommandName, () => void>>;

export type Gate = ReturnType<typeof createGate>;

/** A gate that shows its state in `feed`. `interrupt` ends a pause. */
export function createGate(feed: FeedWriter, interrupt: AbortSignal) {
  const stopping = new AbortController();
  const signal = AbortSignal.any([interrupt, stopping.signal]);
  let paused = false;
  let saving = false;
  let wake: () => void = () => undefined;

  const show = () => {
    const { status } = feed.snapshot().state;
    if (isOver(status) || status === 'starting') return;
    const next = signal.aborted ? 'stopping' : paused ? 'paused' : 'running';
    feed.state({ status: next, ...(next !== 'running' && { stepsPerSecond: undefined, secondsLeft: undefined }) });
  };
  const changed = () => {
    show();
    wake();
  };
  signal.addEventListener('abort', changed, { once: true });

  const pause = (value: boolean) => () => {
    paused = value;
    changed();
  };
  const controls: Controls = {
    pause: pause(true),
    resume: pause(false),
    stop: () => stopping.abort(),
    save: () => {
      saving = true;
      wake();
    },
  };
  /**
   * To be awaited between steps. Saves on command, and returns when the run may continue or must stop: whether it was paused.
   * @param save writes the state of the run; also called during a pause
   * @throws what `save` throws
   */
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
  return { controls, /** Aborted by `stop`, and by `interrupt`. */ signal, pass };
}
