// The password dialogue of a client: md5 for roles whose stored password is md5, otherwise openGauss's SHA256 request (code 10), which no
// stock PostgreSQL client can answer. Nothing is ever logged of what a client sent.
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Control } from './control.ts';
import { authentication, frameSplitter } from './protocol.ts';

const md5 = (...parts: (string | Buffer)[]) => parts.reduce((hash, part) => hash.update(part), createHash('md5')).digest('hex');

/** The stored password of a role; undefined when there is no such role or no answer. */
async function storedPassword(control: Control, user: string): Promise<string | undefined> {
  const answer = await control.query(
    `select rolpassword from pg_catalog.pg_authid where rolcanlogin and rolname = '${user.replaceAll("'", "''")}'`,
  );
  return answer.ok ? (answer.rows[0]?.[0] ?? undefined) : undefined;
}

/** One message of the client, undefined when it goes away or waits too long. */
function nextMessage(socket: Socket, deadlineMs: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const split = frameSplitter();
    const done = (body: Buffer | undefined) => {
      clearTimeout(timer);
      socket.off('data', onData);
      socket.off('close', onClose);
      socket.pause();
      resolve(body);
    };
    const timer = setTimeout(() => done(undefined), deadlineMs);
    const onClose = () => done(undefined);
    const onData = (chunk: Buffer) => {
      const frame = split(chunk)[0];
      if (frame !== undefined) done(frame.body);
    };
    socket.on('data', onData);
    socket.once('close', onClose);
    socket.resume();
  });
}

/** Asks for the password; true when it is right. */
export async function askPassword(socket: Socket, control: Control, user: string): Promise<boolean> {
  const stored = await storedPassword(control, user);
  if (stored === undefined || stored.startsWith('md5')) {
    const salt = randomBytes(4);
    socket.write(authentication(5, salt));
    const body = await nextMessage(socket, 60_000);
    const given = body?.toString('latin1').replace(/\0.*$/s, '');
    return stored !== undefined && given === `md5${md5(stored.slice(3), salt)}`;
  }
  const method = Buffer.alloc(4);
  method.writeUInt32BE(2, 0);
  const iterations = Buffer.alloc(4);
  iterations.writeUInt32BE(10_000, 0);
  const payload = Buffer.concat([
    method,
    Buffer.from(randomBytes(32).toString('hex')),
    Buffer.from(randomBytes(4).toString('hex')),
    iterations,
  ]);
  socket.write(authentication(10, payload));
  await nextMessage(socket, 60_000);
  return false;
}
