/** The project's own source files, and their imports. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The folders that hold sources. */
export const tops = ['engine', 'shaders', 'model', 'cli', 'test'];

/** The paths from the root of the files below a folder whose names end in one of `endings`. */
export const filesIn = (folder: string, endings: readonly string[]): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`);

export const sources = (folder: string): string[] => filesIn(folder, ['.ts']).filter((file) => !file.endsWith('.d.ts'));

export const text = (file: string): string => readFileSync(join(root, file), 'utf8');

export interface Import {
  /** A package as written, or a path from the root, with `.js`. */
  readonly target: string;
  /** Whether only types are imported, which leaves nothing at run time. */
  readonly typesOnly: boolean;
  /** Whether it is a call, which loads the file only when it runs. */
  readonly isLazy: boolean;
}

const IMPORT = /\b(?:import|export)\b(\s+type\b)?([^'";]*?)\bfrom\s*'([^']+)'|\bimport\s*\(?\s*'([^']+)'/g;

export const importsOf = (file: string): Import[] =>
  [...text(file).matchAll(IMPORT)].map(([all, type, names = '', from, bare]) => {
    const path = (from ?? bare)!;
    const listed = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1]?.split(',').map((name) => name.trim()).filter(Boolean) ?? [];
    return {
      target: path.startsWith('.') ? relative(root, join(root, file, '..', path)).replaceAll('\\', '/') : path,
      typesOnly: type !== undefined || (listed.length > 0 && listed.every((name) => name.startsWith('type '))),
      isLazy: from === undefined && all.includes('('),
    };
  });
