// A client's connection from its first byte to its end: start-up packet, admission, password, then the bytes go to PostgreSQL and back.
// On the way the server's version is disguised and a few statements are rewritten; everything else passes as it is.
import { connect, type Socket } from 'node:net';
import { fault } from '../shared/faults.ts';
import { admit, type Gate, isMember, type Origin, type Refusal, readRequest, type Request } from './admission.ts';
import type { Control } from './control.ts';
import { askPassword } from './login.ts';
import { confName, demoteName, probeName } from './peers.ts';
import { errorMessage, frameSplitter, message, readStartup, type Startup, startupCodes, writeStartup } from './protocol.ts';
import { backendSocket } from './render.ts';
import { rewriteSql, unhide } from './rewrite.ts';

/** What the sessions need of their instance. */
export interface SessionNeeds {
  gate(): Gate;
  control(): Control | undefined;
  ownNames(): ReadonlySet<string>;
  clientLimit(): number;
  /** answers a question of another instance with one line */
  question(name: string, startup: Startup, origin: Origin): Promise<string>;
  /** a session has a backend */
  opened(pid: number, origin: Origin, request: Request): void;
  closed(pid: number, replication: boolean): void;
}

/** All client connections of an instance. */
export interface Sessions {
  accept(socket: Socket, origin: Origin): void;
  /** ends every connection at once, with a FATAL where nothing was sent yet */
  drop(): void;
}

function refuse(socket: Socket, refusal: Refusal): void {
  socket.end(errorMessage('FATAL', refusal.code, refusal.text));
}

/** Copies one way with back-pressure; `look` may replace what is sent. */
function carry(from: Socket, to: Socket, look: (chunk: Buffer) => Buffer | undefined): void {
  from.on('data', (chunk: Buffer) => {
    const out = look(chunk);
    if (out !== undefined && out.length > 0 && !to.write(out)) from.pause();
  });
  to.on('drain', () => from.resume());
}

/** Rewrites the text of Query and Parse messages. */
function clientFilter(rewrite: (sql: string) => string): (chunk: Buffer) => Buffer | undefined {
  const split = frameSplitter();
  return (chunk) => {
    const out: Buffer[] = [];
    for (const frame of split(chunk)) {
      if (frame.type !== 'Q' && frame.type !== 'P') {
        out.push(frame.bytes);
        continue;
      }
      const nameEnd = frame.type === 'P' ? frame.body.indexOf(0) + 1 : 0;
      const sqlEnd = frame.body.indexOf(0, nameEnd);
      const sql = frame.body.toString('utf8', nameEnd, sqlEnd);
      const changed = rewrite(sql);
      if (changed === sql) out.push(frame.bytes);
      else
        out.push(
          message(
            frame.type,
            Buffer.concat([frame.body.subarray(0, nameEnd), Buffer.from(changed), frame.body.subarray(sqlEnd)]),
          ),
        );
    }
    return out.length === 0 ? undefined : out.length === 1 ? out[0] : Buffer.concat(out);
  };
}

/** Disguises the version in what PostgreSQL says until it is ready, and notes its process. */
function serverFilter(disguise: boolean, onPid: (pid: number) => void): (chunk: Buffer) => Buffer | undefined {
  const split = frameSplitter();
  let ready = false;
  let held = 0;
  return (chunk) => {
    if (ready) return chunk;
    held += chunk.length;
    const out: Buffer[] = [];
    for (const frame of split(chunk)) {
      held -= frame.bytes.length;
      if (frame.type === 'K') onPid(frame.body.readUInt32BE(0));
      if (frame.type === 'Z') ready = true;
      const version = disguise && frame.type === 'S' && frame.body.toString('latin1').startsWith('server_version\0');
      out.push(version ? message('S', 'server_version\x009.2.4\0') : frame.bytes);
    }
    // after ReadyForQuery whatever is left goes out as it is: the splitter is not asked again
    if (ready && held > 0) out.push(chunk.subarray(chunk.length - held));
    return Buffer.concat(out);
  };
}

function backendStartup(request: Request, own: ReadonlySet<string>): Buffer {
  const quoted = (value: string) => value.replaceAll(/[\\\s]/g, (letter) => `\\${letter}`);
  const settings = request.settings.map(([name, value]) => `-c ${own.has(name) ? `og.${name}` : name}=${quoted(value)}`);
  const params: [string, string][] = [
    ['user', request.user],
    ['database', request.database],
    ['application_name', request.applicationName],
    ...request.others,
  ];
  if (settings.length > 0) params.push(['options', settings.join(' ')]);
  if (request.replication) params.push(['replication', 'true']);
  return writeStartup(params);
}

/** Sessions of one instance. */
export function createSessions(needs: SessionNeeds): Sessions {
  const open = new Set<Socket>();
  let clients = 0;

  function serve(socket: Socket, origin: Origin, request: Request): void {
    const backend = connect({ path: backendSocket });
    let pid = 0;
    if (!request.replication) clients += 1;
    const end = () => {
      socket.destroySoon();
      backend.destroy();
      if (!open.delete(backend)) return;
      if (!request.replication) clients -= 1;
      if (pid !== 0) needs.closed(pid, request.replication);
    };
    open.add(backend);
    const tool = request.replication || request.applicationName === 'gs_rewind';
    const rewrite = tool ? unhide : (sql: string) => rewriteSql(sql, needs.ownNames());
    carry(
      backend,
      socket,
      serverFilter(!tool, (found) => {
        pid = found;
        needs.opened(pid, origin, request);
      }),
    );
    carry(socket, backend, request.replication ? (chunk) => chunk : clientFilter(rewrite));
    for (const event of ['close', 'end', 'error'] as const) {
      backend.on(event, end);
      socket.on(event, end);
    }
    backend.write(backendStartup(request, needs.ownNames()));
    socket.resume();
  }

  async function enter(socket: Socket, origin: Origin, startup: Startup): Promise<void> {
    const request = readRequest(startup);
    if ('code' in request) return refuse(socket, request);
    const verdict = admit(needs.gate(), origin, request);
    if (verdict.kind === 'refused') return refuse(socket, verdict.refusal);
    const control = needs.control();
    if (verdict.kind === 'password' && (control === undefined || !(await askPassword(socket, control, request.user)))) {
      return refuse(socket, { code: '28P01', text: 'Invalid username/password,login denied.' });
    }
    if (!request.replication && clients >= needs.clientLimit()) {
      return refuse(socket, { code: '53300', text: `Already too many clients, active/non-active/reserved: ${clients}/0/3.` });
    }
    if (!socket.destroyed) serve(socket, origin, request);
  }

  function first(socket: Socket, origin: Origin, startup: Startup): void {
    const name = startup.params.get('application_name') ?? '';
    if (startup.code === startupCodes.cancel) {
      const backend = connect({ path: backendSocket }, () => backend.end(startup.bytes));
      backend.on('error', () => {});
      socket.end();
      return;
    }
    if (startup.code !== startupCodes.version3 && startup.code >> 16 !== 3) {
      refuse(socket, { code: '0A000', text: `unsupported frontend protocol ${startup.code >> 16}.${startup.code & 0xffff}` });
      return;
    }
    if (origin.ha && [probeName, demoteName, confName].includes(name)) {
      if (!isMember(needs.gate(), origin)) {
        refuse(socket, { code: '28000', text: '[FATAL] Forbid remote connection via internal maintenance tools.' });
        return;
      }
      void needs.question(name, startup, origin).then((line) => socket.end(`${line}\n`));
      return;
    }
    void enter(socket, origin, startup);
  }

  return {
    accept(socket, origin) {
      socket.setNoDelay(true);
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      socket.on('error', () => {});
      if (fault('query-hang') !== undefined) return;
      let bytes = Buffer.alloc(0);
      const onData = (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        const startup = readStartup(bytes);
        if (startup === undefined) return;
        if (startup === 'malformed') {
          socket.destroy();
          return;
        }
        bytes = bytes.subarray(startup.bytes.length);
        if (startup.code === startupCodes.ssl || startup.code === startupCodes.gss) {
          socket.write('N');
          return;
        }
        socket.off('data', onData);
        socket.pause();
        if (bytes.length > 0) socket.unshift(bytes);
        first(socket, origin, startup);
      };
      socket.on('data', onData);
    },
    drop() {
      for (const socket of open) socket.destroy();
    },
  };
}
