// The little of a query's text that PostgreSQL would not understand as openGauss does: parameters it does not have, LISTEN and its kin,
// and openGauss's attributes of roles. Text that holds none of these goes through untouched.
import { hiddenNames } from './catalog.ts';

const interesting = /\b(show|set|reset|listen|unlisten|notify|current_setting|set_config|user|role)\b/i;
const hidden = new RegExp(`\\b(${[...hiddenNames.keys()].join('|')})\\b`, 'g');

/** A statement that fails with this SQLSTATE and message. */
function failing(code: string, text: string): string {
  return `do $og$ begin raise exception '${text.replaceAll("'", "''")}' using errcode = '${code}'; end $og$`;
}

const unsupported: readonly [RegExp, string][] = [
  [/^\s*listen\b/i, 'LISTEN statement is not yet supported.'],
  [/^\s*unlisten\b/i, 'UNLISTEN statement is not yet supported.'],
  [/^\s*notify\b/i, 'NOFITY statement is not yet supported.'],
];

/** What openGauss's password policy has against a password; undefined when nothing. */
function passwordComplaint(password: string): string | undefined {
  const kinds = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((kind) => kind.test(password)).length;
  if (password.length < 8) return 'Password must contain at least 8 characters.';
  return kinds < 3 ? 'Password must contain at least three kinds of characters.' : undefined;
}

function roleStatement(sql: string): string {
  const password = /\b(?:password|identified\s+by)\s+(?:'((?:[^']|'')*)'|"([^"]*)")/i.exec(sql);
  const complaint = password === null ? undefined : passwordComplaint(password[1] ?? password[2] ?? '');
  if (complaint !== undefined) return failing('28P01', complaint);
  return sql
    .replaceAll(/\bno(sysadmin)\b/gi, 'nosuperuser')
    .replaceAll(/\bsysadmin\b/gi, 'superuser')
    .replaceAll(/\b(no)?(monadmin|opradmin|poladmin|auditadmin|vcadmin|useft|independent|persistence)\b/gi, '')
    .replaceAll(/\b(?:encrypted\s+|unencrypted\s+)?(?:password|identified\s+by)\s+(['"])/gi, 'password $1')
    .replaceAll(/\breplace\s+'(?:[^']|'')*'/gi, '')
    .replaceAll(/(password\s+)"([^"]*)"/gi, "$1'$2'");
}

/** The text to send instead; `own` are the parameters kept as og.<name>. */
export function rewriteSql(sql: string, own: ReadonlySet<string>): string {
  if (!interesting.test(sql)) return sql;
  for (const [pattern, text] of unsupported) if (pattern.test(sql)) return failing('0A000', text);
  if (/^\s*(create|alter)\s+(user|role)\b/i.test(sql)) return roleStatement(sql);
  return sql
    .replaceAll(/(^|;)(\s*)show\s+([a-z_]\w*)(?=\s*(?:;|$))/gi, (whole, start: string, space: string, name: string) =>
      own.has(name.toLowerCase())
        ? `${start}${space}select pg_catalog.current_setting('og.${name.toLowerCase()}') as ${name.toLowerCase()}`
        : whole,
    )
    .replaceAll(
      /(^|;)(\s*(?:set\s+(?:session\s+|local\s+)?|reset\s+))([a-z_]\w*)/gi,
      (whole, start: string, words: string, name: string) => (own.has(name.toLowerCase()) ? `${start}${words}og.${name}` : whole),
    )
    .replaceAll(
      /\b(current_setting|set_config)(\s*\(\s*')(\w+)(')/gi,
      (whole, call: string, open: string, name: string, close: string) =>
        own.has(name.toLowerCase()) ? `${call}${open}og.${name.toLowerCase()}${close}` : whole,
    );
}

/** For a tool of PostgreSQL's own: the names it knows, as they are called now. */
export function unhide(sql: string): string {
  return sql.replaceAll(hidden, (name) => hiddenNames.get(name) ?? name);
}
