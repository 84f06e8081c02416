/**
 * `agent preflight`: everything that must be right before the agent runs, each looked at once, each with a line of its
 * own and what cures it. It changes nothing. The entrypoint runs it first; people run it to see what is wrong.
 */
import { renderProblems } from '../settings/problem.ts';
import { readSettings } from '../settings/table.ts';
import { checkApiServer } from './apiserver.ts';
import { type Finding, fine, within } from './checks.ts';
import type { Command } from './command.ts';
import { checkData, checkInstallation, checkPlaces, checkSecret } from './files.ts';
import { complain, exit, type Io } from './io.ts';

const filesMs = 10_000;
const kubeMs = 15_000;

export const preflight: Command = {
  name: 'preflight',
  summary: 'check settings, Secret, data directory, installation and API server before the agent runs',
  details: ['It changes nothing. Exit code: 0 ready, 1 a check failed, 78 the settings are not valid.'],
  options: {},
  async run(_parsed, io) {
    const read = readSettings(io.env);
    if (!read.ok) {
      io.err.write(`${renderProblems(read.problems)}\n`);
      const [first] = read.problems;
      if (first !== undefined && read.problems.length === 1)
        return complain(io, exit.settings, `${first.field} ${first.problem}`, first.hint);
      const count = `${read.problems.length} settings are`;
      return complain(io, exit.settings, `${count} not valid`, 'Mend them in the StatefulSet; all are listed above.');
    }
    const { settings } = read;
    const found = await Promise.all([
      within(filesMs, 'secret', () => checkSecret(settings)),
      within(filesMs, 'openGauss', () => checkInstallation(settings)),
      within(filesMs, 'run directory', () => checkPlaces(settings)),
      within(filesMs, 'data directory', () => checkData(settings)),
      within(kubeMs, 'API server', () => checkApiServer(settings)),
    ]);
    return report(io, [fine('settings', `member ${settings.pod} of cluster ${settings.cluster}`), ...found.flat()]);
  },
};

function report(io: Io, findings: Finding[]): number {
  const width = Math.max(...findings.map((finding) => finding.check.length));
  for (const { check, verdict, text, hint } of findings) {
    io.out.write(`${verdict.padEnd(7)}   ${check.padEnd(width)}   ${text}\n`);
    if (hint !== undefined) io.out.write(`${' '.repeat(10)}${' '.repeat(width)}   hint: ${hint}\n`);
  }
  const failed = findings.filter((finding) => finding.verdict === 'failed');
  if (failed.length === 0) return exit.done;
  const [first] = failed;
  const more = failed.length === 1 ? '' : `, and ${failed.length - 1} more ${failed.length === 2 ? 'check' : 'checks'} failed`;
  return complain(io, exit.failed, `${first?.check}: ${first?.text}${more}`, first?.hint);
}
