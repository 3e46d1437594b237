/** `splice-gpu doctor`: options only. */
import { Command } from 'commander';
import type { DoctorOptions } from '../gpu/doctor.js';

const EXAMPLE = `
Exit code 1 when no adapter works; the report then says what to install.

Example:
  $ splice-gpu doctor --json`;

export const doctorCommand = (run: (options: DoctorOptions) => Promise<void>): Command =>
  new Command('doctor')
    .description('show the adapters, driver, features, limits and kernel variants of this machine')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action(({ json = false }: { json?: boolean }) => run({ json }));
