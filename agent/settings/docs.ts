/**
 * docs/SETTINGS.md from the two tables of settings: `node agent/settings/docs.ts` writes it, a test holds the file to
 * the tables. Runs by itself only; nothing imports it but that test.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defaultOf, dynamicTable } from './fields.ts';
import { table } from './table.ts';

const path = fileURLToPath(new URL('../../docs/SETTINGS.md', import.meta.url));

const intro = `# Settings

Made from the tables in \`agent/settings/\` by \`node agent/settings/docs.ts\`; edit those, not this.

## Static: the environment

Read once when the agent starts. Every unset, malformed or contradictory one is reported at once, and the process ends with 78.
Names that begin with \`OG_\` and are not listed here are refused, except those that Kubernetes makes for Services.

`;

const between = `
## Dynamic: \`config.yaml\` in the ConfigMap \`og-<c>-config\`

Validated as a whole: an edit with any mistake changes nothing, the last good configuration stays, and an Event \`ConfigRejected\` names the field.
A ConfigMap that is deleted changes nothing either. An agent that starts and finds none that is valid goes on with the last
valid one, which it keeps on its volume; where it never had one, by the defaults, but \`sync.mode\`, and more acknowledgements than the default, stay
as the lease records them.
Durations are seconds, or text such as \`1500ms\`, \`8s\` or \`2m\`. \`agent config validate FILE\` says what the agent would say.

The lease's figures are checked together: \`(fence + stop + 0.3) × 1.01 < duration × 0.99\` and \`fence ≥ 2 × renew + 2 × requestTimeout\`.

`;

/** The whole text of docs/SETTINGS.md. */
export function settingsDocument(): string {
  const rows = Object.values(table).map((row) => {
    const fallback =
      row.presence === 'required'
        ? 'required'
        : 'fallbackText' in row
          ? row.fallbackText
          : 'fallback' in row
            ? `\`${row.fallback}\``
            : '–';
    return [`\`${row.env}\``, fallback ?? '–', row.doc];
  });
  const fields = Object.entries(dynamicTable).map(([key, field]) => [`\`${key}\``, shown(defaultOf(key)), field.kind, field.doc]);
  return (
    intro + markdown(['name', 'default', 'meaning'], rows) + between + markdown(['key', 'default', 'value', 'meaning'], fields)
  );
}

function shown(value: unknown): string {
  if (value === undefined) return 'unset';
  if (typeof value !== 'bigint') return `\`${JSON.stringify(value).replace(/^"|"$/g, '')}\``;
  const mebibytes = value >> 20n;
  return mebibytes % 1024n === 0n ? `\`${mebibytes / 1024n}GiB\`` : `\`${mebibytes}MiB\``;
}

function markdown(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, settingsDocument());
