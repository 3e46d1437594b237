#!/usr/bin/env node
/** The executable: runs one command line. */
import { run } from './main.js';
import { asProcess } from './process.js';

await asProcess(() => run(process.argv));
