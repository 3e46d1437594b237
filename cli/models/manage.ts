/** The work of `splice-gpu models`: what models there are, and keeping some in the cache. */
import { stat } from 'node:fs/promises';
import { UsageError } from '../shared/errors.js';
import { addModel, getModel } from './get.js';
import { fetchable, findKnown } from './known.js';
import { findStored, modelsFolder, removeStored, storedModels, verifyStored, weightsPath, type StoredModel, type Trust } from './store.js';
import type { Output } from '../shared/progress.js';
import { readSidecar } from './sidecar.js';
import { checkVitFile, knownModels, shippedModels } from './load.js';

/** Where the work says what it did. */
export interface Outputs {
  readonly stdout: Output;
  readonly stderr: Output;
}

/** A line of `models list`. */
export interface ListedModel {
  readonly name: string;
  readonly what: string;
  readonly bytes: number;
  /** Whether `bytes` is exact. */
  readonly exact: boolean;
  readonly license: string;
  readonly from: string;
  readonly state: 'ships' | 'cached' | 'not here';
  readonly path?: string;
  readonly sha256?: string;
  readonly trust?: Trust;
}

/** Shipped, fetchable and added models, in this order. */
export async function listModels(json: boolean, { stdout }: Outputs): Promise<void> {
  const stored = await storedModels();
  const models = [
    ...(await Promise.all(shippedModels().map(describeShipped))),
    ...fetchable.map((model): ListedModel => {
      const here = stored.find(({ name }) => name === model.name);
      const { name, what, license } = model;
      const bytes = here?.bytes ?? model.bytes;
      const size = { bytes: bytes ?? model.megabytes * 1e6, exact: bytes !== undefined };
      return here ? { name, what, license, ...size, ...describeStored(here) } : { name, what, license, ...size, from: model.url, state: 'not here' };
    }),
    ...stored.filter(({ name }) => !findKnown(name)).map((here): ListedModel => ({ name: here.name, what: 'added', bytes: here.bytes, exact: true, license: '', ...describeStored(here) })),
  ];
  stdout.write(json ? `${JSON.stringify({ folder: modelsFolder(), models })}\n` : `${table(models)}\ncache: ${modelsFolder()}\n`);
}

async function describeShipped({ name, path }: { name: string; path: string }): Promise<ListedModel> {
  const { size } = await stat(path);
  return { name, what: 'part of splice-gpu', bytes: size, exact: true, license: 'MIT', from: 'splice-gpu', state: 'ships', path };
}

const describeStored = (model: StoredModel): Omit<ListedModel, 'name' | 'what' | 'bytes' | 'exact' | 'license'> =>
  ({ from: model.from, state: 'cached', path: weightsPath(model), sha256: model.sha256, trust: model.trust });

function table(models: readonly ListedModel[]): string {
  const rows = models.map(({ name, what, bytes, exact, license, from, state, trust }) =>
    [name, exact ? `${(bytes / 1e6).toFixed(1)} MB` : `~${(bytes / 1e6).toFixed(0)} MB`, state === 'cached' ? `cached (${trust})` : state, license || '-', what, from]);
  const all = [['name', 'size', 'state', 'license', 'what', 'source'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n');
}

export interface GetCommand {
  readonly names: readonly string[];
  readonly mirror?: string;
  readonly trust: boolean;
}

/** Fetches models that are not in the cache and prints their paths. @throws UsageError for names that cannot be fetched */
export async function getModels({ names, mirror, trust }: GetCommand, signal: AbortSignal, { stdout, stderr }: Outputs): Promise<void> {
  const models = names.map((name) => {
    const model = findKnown(name);
    if (!model) throw new UsageError(`"${name}" cannot be fetched: ${fetchable.map((m) => m.name).join(', ')} can; a file of yours is added with: splice-gpu models add FILE --name ${name}`);
    return model;
  });
  for (const model of models) {
    const stored = await getModel(model, { signal, output: stderr, trust, ...(mirror !== undefined && { mirror }) }, checkVitFile);
    stdout.write(`${model.name}: ${weightsPath(stored)}\n`);
  }
}

/** Copies a file into the cache. @throws UsageError when the name belongs to another model, InputError when the file is no ViT */
export async function addToModels(path: string, name: string, { stdout }: Outputs): Promise<void> {
  if (knownModels().includes(name)) throw new UsageError(`${name} is the name of a model that is known already: choose another`);
  const stored = await addModel(path, name, await readSidecar(path), checkVitFile);
  stdout.write(`${name}: ${weightsPath(stored)}, SHA-256 ${stored.sha256}\n`);
}

/** Reads every file again. @returns whether all are as they came */
export async function verifyModels(names: readonly string[], { stdout }: Outputs): Promise<boolean> {
  const models = names.length > 0 ? await allStored(names) : await storedModels();
  let good = true;
  for (const model of models) {
    const problem = await verifyStored(model);
    good &&= problem === undefined;
    stdout.write(`${model.name}: ${problem ? `damaged, ${problem}: remove it, then get or add it again` : `as it came (${model.trust}, SHA-256 ${model.sha256})`}\n`);
  }
  if (models.length === 0) stdout.write('no models in the cache\n');
  return good;
}

export async function removeModels(names: readonly string[], { stdout }: Outputs): Promise<void> {
  for (const model of await allStored(names)) {
    await removeStored(model);
    stdout.write(`${model.name}: removed\n`);
  }
}

/** @throws UsageError before anything is done when one is not there */
async function allStored(names: readonly string[]): Promise<StoredModel[]> {
  return Promise.all(names.map(async (name) => {
    const model = await findStored(name);
    if (!model) throw new UsageError(`the cache has no model "${name}": splice-gpu models list shows what it has`);
    return model;
  }));
}
