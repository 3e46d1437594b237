/** The log of a training: which steps it has, and what it says about the end of a run. */
import type { StepLosses } from './run.js';

/** Steps between two lines of the log; the last step has one too. */
export const LOG_EVERY = 10;

/** A line of log.jsonl. */
export const logLine = (entry: StepLosses): string => `${JSON.stringify(entry)}\n`;

/** The beginning of log.jsonl that belongs to a checkpoint. */
export interface LogPart {
  readonly logBytes: number;
  /** SHA-256 of these bytes; checkpoints of earlier versions do not have it. */
  readonly logSha256?: string;
}

/** Mean total loss over the logged ones of the last 50 steps; undefined when there is none. */
export function recentTotal(log: readonly StepLosses[], stepsDone: number): number | undefined {
  const recent = log.filter(({ step, total }) => step >= stepsDone - 50 && total !== undefined).map(({ total }) => total!);
  return recent.length > 0 ? recent.reduce((sum, total) => sum + total, 0) / recent.length : undefined;
}
