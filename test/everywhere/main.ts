/**
 * `npm run everywhere -- [window] [worker] [deno] [words]`: all portable test files in a window and a worker of Chromium and in
 * Deno, or those whose name contains one of the words. Exit code 1 if a test fails. The tests of this folder run some.
 */
import { inDeno, inWindow, inWorker, portable, type Outcome } from './places.js';

const places = { window: inWindow, worker: inWorker, deno: inDeno };
type Name = keyof typeof places;

const words = process.argv.slice(2);
const isPlace = (word: string): word is Name => word in places;
const wanted = words.filter((word) => !isPlace(word));
const names = wanted.length > 0 ? portable.filter((name) => wanted.some((word) => name.includes(word))) : portable;
const chosen = words.some(isPlace) ? words.filter(isPlace) : (Object.keys(places) as Name[]);
if (names.length === 0) throw new Error(`no portable test file matches ${wanted.join(' ')}`);

let failed = 0;
for (const place of chosen) {
  const results = await places[place](names);
  let start = performance.now();
  for (const name of results ? names : []) {
    const { errors, passed, total } = (await results!.next()).value as Outcome;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${place}: ${name} ${passed} / ${total}  ${seconds} s${errors && `\n${errors}`}`);
    start = performance.now();
    failed += total - passed;
  }
  await results?.next();
}
console.log(failed === 0 ? 'all passed' : `${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
