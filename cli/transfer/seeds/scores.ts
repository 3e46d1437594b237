/** seeds/scores.json: what is known of the seeds, written after every round. report.json repeats it. */
import { join } from 'node:path';
import { readJson, writeJson } from '../../shared/files.js';
import type { Scored } from './score.js';

/** One line of a round: a run that diverged has the error instead of figures. */
export type SeedScore = Scored | { readonly seed: number; readonly failed: string };

export interface SeedScores {
  /** The ViT that judges; null when the pictures alone decide. */
  readonly judge: { readonly model: string; readonly name: string; readonly sha256: string } | null;
  /** Steps of all runs over those of one. */
  readonly cost: number;
  /** Best first; the first of the last round is chosen. */
  readonly rounds: readonly { readonly steps: number; readonly keep: number; readonly scores: readonly SeedScore[] }[];
}

const pathIn = (folder: string): string => join(folder, 'seeds', 'scores.json');

/** Undefined when the folder's run has no or damaged scores. */
export async function seedScores(folder: string): Promise<SeedScores | undefined> {
  const found = await readJson(pathIn(folder));
  return Array.isArray(found?.['rounds']) ? (found as unknown as SeedScores) : undefined;
}

export const writeScores = (folder: string, scores: SeedScores): Promise<void> => writeJson(pathIn(folder), scores);
