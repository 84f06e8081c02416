// Beside every instance runs this process: openGauss is one process, PostgreSQL many, so that what happens to gaussdb must happen to all
// of them within milliseconds. gaussdb stopped (SIGSTOP): everything below it is stopped; continued: continued; gone: killed.
// Arguments: gaussdb's pid. On stdin: the pid of the PostgreSQL server now in charge, a line each. It never outlives gaussdb.
import { setPriority } from 'node:os';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const periodMs = 10;
const exiting = 0x4;
const guarded = Number(process.argv[2]);
const servers = new Set<number>();
const stopped = new Set<number>();

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function tree(roots: Iterable<number>): number[] {
  const found = new Set<number>();
  const look = (pid: number) => {
    if (pid === process.pid || found.has(pid)) return;
    found.add(pid);
    for (const child of childrenOf(pid)) look(child);
  };
  for (const root of roots) look(root);
  return [...found];
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it is gone already
  }
}

// A process may fork while the tree is walked: again until a walk finds nobody new.
function stopAll(): void {
  for (;;) {
    const fresh = tree([...childrenOf(guarded), ...servers]).filter((pid) => !stopped.has(pid));
    if (fresh.length === 0) return;
    for (const pid of fresh) {
      stopped.add(pid);
      send(pid, 'SIGSTOP');
    }
  }
}

function continueAll(): void {
  for (const pid of stopped) send(pid, 'SIGCONT');
  stopped.clear();
}

function killAll(): never {
  for (const pid of [...tree(servers), ...stopped]) send(pid, 'SIGKILL');
  process.exit(0);
}

let rest = '';
process.stdin.on('data', (chunk: Buffer) => {
  const lines = (rest + chunk.toString('utf8')).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    servers.clear();
    if (Number(line) > 1) servers.add(Number(line));
  }
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {});

try {
  setPriority(-10); // it must run at once when gaussdb is gone, also among twenty busy sessions
} catch {
  // not allowed to an ordinary user
}

const buffer = Buffer.alloc(512);
let file: number;
try {
  file = openSync(`/proc/${guarded}/stat`, 'r');
} catch {
  killAll();
}

/** The state letter of gaussdb; 'X' once it is gone. The open file belongs to that very process, so a reused pid is no danger. */
function guardedState(): string {
  try {
    const length = readSync(file, buffer, 0, buffer.length, 0);
    const text = buffer.toString('latin1', 0, length);
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // a process on its way out takes its time to give its memory back, and tells its children only then
    return (Number(fields[6]) & exiting) !== 0 ? 'X' : (fields[0] ?? 'X');
  } catch {
    return 'X';
  }
}

setInterval(() => {
  const state = guardedState();
  if (state === 'X' || state === 'Z') {
    closeSync(file);
    killAll();
  }
  if (state === 'T' || state === 't') stopAll();
  else if (stopped.size > 0) continueAll();
}, periodMs);
