/** A run in words, from its config.json: for the page of a run in progress and of one in a folder. */
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { RunAbout } from '../watch/snapshot.js';
import { branchCommand, resumeCommand, strengthCommand, trainingOf, viewCommand, type Fields } from './config.js';

/** A training's description of itself in `config.page`. */
export interface PageText {
  readonly title: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** Names of the losses; the first is the one to watch. */
  readonly terms: readonly string[];
  /** Label of the newest picture. */
  readonly result: string;
}

/** The value at a path of keys, or undefined. */
export const fieldOf = (config: Fields, ...keys: readonly string[]): unknown =>
  keys.reduce<unknown>((value, key) => (typeof value === 'object' ? (value as Fields | null)?.[key] : undefined), config);

export function numberOf(config: Fields, ...keys: readonly string[]): number | undefined {
  const value = fieldOf(config, ...keys);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function textOf(config: Fields, ...keys: readonly string[]): string | undefined {
  const value = fieldOf(config, ...keys);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Steps of the warm start and of the training. Runs of version 0.1 have them among their options. */
export function planOf(config: Fields): { readonly warmStart: number; readonly steps: number } {
  const number = (name: string): number =>
    numberOf(config, 'plan', name) ?? numberOf(config, 'options', name) ?? numberOf(config, 'train', 'general', name) ?? 0;
  return { warmStart: number('warmStart'), steps: number('steps') };
}

/** Folder and file: several runs often have files of the same name, and the folder often is the pair's name. */
export const shortPath = (path: string): string => join(basename(dirname(resolve(path))), basename(path));

/** Name of a photo in a title. */
export const nameOf = (path: string): string => basename(path, extname(path));

function deviceOf(config: Fields): string | undefined {
  const name = textOf(config, 'device', 'device') ?? textOf(config, 'device', 'driver');
  return name && (fieldOf(config, 'device', 'software') === true ? `${name} (software)` : name);
}

/** @param folder as the user named it. What is malformed or missing, as in runs of version 0.1, is left out. */
export function aboutRun(config: Fields, folder: string, terms: readonly string[]): RunAbout {
  const [structure, appearance] = [textOf(config, 'structure', 'path'), textOf(config, 'appearance', 'path')];
  const fallback = structure && appearance ? `${nameOf(structure)} as ${nameOf(appearance)}` : basename(folder);
  const [{ warmStart, steps }, written, training] = [planOf(config), fieldOf(config, 'page', 'facts'), trainingOf(config)];
  const facts: readonly (readonly [string, unknown])[] = [
    ['Steps', steps ? (warmStart ? `${warmStart} warm start + ${steps}` : String(steps)) : undefined],
    ...(Array.isArray(written) ? written.filter((fact) => Array.isArray(fact) && fact.length === 2) : []),
    ['Device', deviceOf(config)],
    ['Folder', folder],
  ];
  return {
    title: textOf(config, 'page', 'title') ?? fallback,
    facts: facts.filter((fact): fact is [string, string] => fact.every((part) => typeof part === 'string')),
    terms,
    again: viewCommand(folder),
    ...(training && { goOn: resumeCommand(training, folder) }),
    ...(training === 'transfer' && { branch: branchCommand(folder), strength: strengthCommand(folder) }),
  };
}

/** A sentence for the page. @param ended why the run ended before its last step */
export const endedNote = (ended: string): string => `It ended early: ${ended}.`;

/** Label of a run's newest picture. */
export const resultLabel = (config: Fields): string => textOf(config, 'page', 'result') ?? 'Result';
