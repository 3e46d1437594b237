/** `splice-gpu doctor`: options only. */
import { Command } from 'commander';
import type { DoctorOptions } from '../gpu/doctor.js';
import { jsonOption } from './options.js';

const EXAMPLE = `
The exit code is 1 when no adapter works; the report then names what to install.

Example:
  $ splice-gpu doctor --json`;

export const doctorCommand = (run: (options: DoctorOptions) => Promise<void>): Command =>
  new Command('doctor')
    .description('show the adapters, driver, features, limits and kernel variants of this machine')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((options: DoctorOptions) => run(options));
