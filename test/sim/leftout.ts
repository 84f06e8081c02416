/** What the model server leaves out of the stand-in's contract, title by title: told apart by real processes there. */
const words = 'words, layouts and exit codes of the tools: the port has none of them';
const files = 'files of an instance, which the model does not have';
const never = 'the agent never asks for it';

/** Each with the reason. */
export const leftOut: Record<string, string> = {
  'querybuild after a build says completed': words,
  'a standby of a larger given term refuses the primary and stays stopped': `a build with -T: ${never}`,
  'a check build stops the standby, fails and does not start it again': `a check build: ${never}`,
  'querybuild shows a running build with its progress': words,
  'gs_ctl ${row.words[0]} on a directory that does not exist says so and exits ${row.code}': words,
  'gs_ctl without -D and PGDATA asks for a directory and exits 1': words,
  'gs_ctl refuses what it does not understand with exit 1': words,
  'a failover writes the term before it finds that no server runs': 'the port looks for a process first',
  'a conflict about pg_ctl.lock is 0 for start and restart, 1 for the others, and none for the unlocked commands': files,
  'an immediate stop without a pid file kills by force and exits 0': files,
  'a querybuild tells from gs_build.pid alone: missing is completed, a dead pid is failed': files,
  'the programs tell their versions': words,
  'a switched lock-conflict makes start exit 0 and failover 1': files,
  'a hanging query falls back to the state file after five seconds, exit 0': files,
  'a switchover whose request is ignored times out with 0 and changes nothing': `gs_ctl switchover: ${never}`,
  'a headless switchover ends with 0 and nobody Primary, until a failover with a higher term': `gs_ctl switchover: ${never}`,
  'a start that comes late is 1, and the server comes up all the same': 'the port says only that a process is there',
  'a stale pid file after a stop makes status 1 and is no obstacle to the next start': files,
  'a standby is named in brackets, positions are text, and PostgreSQL 10 names do not exist': 'columns of SQL views',
  'a switchover swaps the roles inside the same processes': `gs_ctl switchover: ${never}`,
  'a switchover whose primary does not answer ends in time with 0 and a timeout': `gs_ctl switchover: ${never}`,
  'an instance without replconninfo that is started without -M is Normal': `a start without -M: ${never}`,
  'postmaster.pid has pid, directory, start, port, socket directory, address and a seventh line': files,
  'a query of it prints the three sections, tabs and trailing blanks included': words,
  'without replconninfo -M primary is Normal too, and a promoted standby becomes Normal, which its failover calls a failure':
    'a server without peers is Primary in the model, which the agent takes for the same',
  'status, start again and querybuild of a running instance': words,
  'the first replconninfo by reload makes a Normal instance Primary, and taking it away does not make it Normal again':
    'a server without peers is Primary in the model, which the agent takes for the same',
  'gs_guc calls an invalid value a success and the server keeps the old one': 'names that are set are valid ones',
  'a clean stop says so, leaves gaussdb.state as it was, and a second one exits 1': words,
  'a gs_guc reload without a server fails although it changed the file': words,
  'an unknown mode, and a directory that others may read, fail the start with 1': words,
  'with replconninfo a start without -M, or with -M normal, is a writable Primary': `a start as a primary: ${never}`,
  'a primary that started cleanly reports term 0 and position 0/0': `a start as a primary: ${never}`,
  'what a pending instance refuses': words,
  'failover and switchover of a Primary are 0 and have overwritten its term by 1': 'the port looks whether it is primary first',
  'finishredo on a Primary prints its banner and changes nothing': `gs_ctl finishredo: ${never}`,
  'the installation has the programs an agent calls': files,
};
