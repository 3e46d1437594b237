/** A run in words, from its config.json: for the page of a run that is going on and of one that lies in a folder. */
import { basename, extname } from 'node:path';
import { inShell, resumeCommand } from '../run/config.js';
import type { RunAbout } from './snapshot.js';

/** config.json as it was parsed; whatever is missing in it is left out of the page. */
export type Config = Readonly<Record<string, unknown>>;

/** The value at a path of keys, or undefined. */
export const fieldOf = (config: Config, ...keys: readonly string[]): unknown =>
  keys.reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? (value as Config)[key] : undefined), config);

export function numberOf(config: Config, ...keys: readonly string[]): number | undefined {
  const value = fieldOf(config, ...keys);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function textOf(config: Config, ...keys: readonly string[]): string | undefined {
  const value = fieldOf(config, ...keys);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const nameOf = (path: string): string => basename(path, extname(path));

function sizeOf(config: Config, photo: string): string | undefined {
  const size = fieldOf(config, photo, 'usedSize');
  return Array.isArray(size) && size.length === 2 ? `${size[0]} × ${size[1]}` : undefined;
}

function deviceOf(config: Config): string | undefined {
  const name = textOf(config, 'device', 'device') ?? textOf(config, 'device', 'driver');
  return name && (fieldOf(config, 'device', 'software') === true ? `${name} (software)` : name);
}

function stepsOf(config: Config): string | undefined {
  const [warmStart, steps] = [numberOf(config, 'options', 'warmStart'), numberOf(config, 'options', 'steps')];
  return warmStart && steps ? `${warmStart} warm start + ${steps}` : steps?.toString();
}

/** @param folder as the user named it */
export function aboutRun(config: Config, folder: string, terms: readonly string[]): RunAbout {
  const [structure, appearance] = [textOf(config, 'structure', 'path'), textOf(config, 'appearance', 'path')];
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Recipe', textOf(config, 'options', 'recipe')],
    ['Steps', stepsOf(config)],
    ['Model', textOf(config, 'model', 'name')],
    ['Structure', sizeOf(config, 'structure')],
    ['Appearance', sizeOf(config, 'appearance')],
    ['ViT side', numberOf(config, 'options', 'vitSize')?.toString()],
    ['Seed', numberOf(config, 'options', 'seed')?.toString()],
    ['Device', deviceOf(config)],
    ['Folder', folder],
  ];
  return {
    title: structure && appearance ? `${nameOf(structure)} as ${nameOf(appearance)}` : basename(folder),
    facts: facts.filter((fact): fact is [string, string] => fact[1] !== undefined),
    terms,
    again: viewCommand(folder),
    goOn: resumeCommand(folder),
  };
}

/** What to type to see a run again. */
export const viewCommand = (folder: string): string => `splice-gpu view ${inShell(folder)}`;

/** Steps in all, those of the warm start counted in. */
export const totalSteps = (config: Config): number => (numberOf(config, 'options', 'warmStart') ?? 0) + (numberOf(config, 'options', 'steps') ?? 0);
