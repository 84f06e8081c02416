/** The dynamic configuration: what is taken from `config.yaml`, and that a text with any mistake is refused whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultConfig } from '../../agent/core/config.ts';
import { contradictions } from '../../agent/settings/contradictions.ts';
import { readConfig } from '../../agent/settings/dynamic.ts';
import { defaultOf, dynamicTable } from '../../agent/settings/fields.ts';
import { ownedPatterns } from '../../agent/settings/owned.ts';
import { renderProblems } from '../../agent/settings/problem.ts';

function configOf(text: string | undefined) {
  const read = readConfig(text);
  assert.ok(read.ok, read.ok ? '' : renderProblems(read.problems));
  return read.config;
}

function problemsOf(text: string) {
  const read = readConfig(text);
  assert.ok(!read.ok, 'it was taken');
  return read.problems;
}

test('no text, an empty one and one of comments are the defaults', () => {
  for (const text of [undefined, '', '\n', '# nothing\n', '{}', 'lease:\n', 'parameters:\n'])
    assert.deepEqual(configOf(text), defaultConfig);
});

test('the defaults keep every relation that is asked of others', () => {
  assert.deepEqual(contradictions(defaultConfig), []);
});

test('what is given is taken, and the rest keeps its default', () => {
  const config = configOf(`
lease: { durationSeconds: 15, renewSeconds: 3, fenceSeconds: 12, requestTimeoutSeconds: 1500ms }
failover: manual
sync: { mode: off, acks: 2 }
maximumLagOnFailover: 512KiB
readLagLimit: 33554432
disk:
  minFreeBytes: 1Gi
  mounts: { log: { warnPercent: 70, readOnlyPercent: 99 } }
localRole: standby
remotePeers: [10.1.0.1, og-far-0.example:8009]
parameters: { work_mem: 64MB, max_connections: 500, enable_x: true, archive_command: "cp %p /x" }
backup: { schedule: "30 2 * * *", retention: { days: 3 } }
scripts:
  - { schedule: "*/5 * * * *", file: vacuum.sql, role: primary }
logs: { maxBytes: 2GiB }
`);
  assert.deepEqual(config.lease, {
    durationSeconds: 15,
    renewSeconds: 3,
    fenceSeconds: 12,
    stopSeconds: 1,
    requestTimeoutSeconds: 1.5,
  });
  assert.deepEqual(config.sync, { ...defaultConfig.sync, mode: 'off', acks: 2 });
  assert.equal(config.maximumLagOnFailover, 524_288n);
  assert.equal(config.readLagLimit, 33_554_432n);
  assert.equal(config.disk.minFreeBytes, 1n << 30n);
  assert.deepEqual(config.disk.mounts, { log: { warnPercent: 70, readOnlyPercent: 99 } });
  assert.deepEqual(config.parameters, { work_mem: '64MB', max_connections: '500', enable_x: 'on', archive_command: 'cp %p /x' });
  assert.deepEqual(config.backup, { schedule: '30 2 * * *', retention: { count: 7, days: 3 } });
  assert.deepEqual(config.scripts, [{ schedule: '*/5 * * * *', file: 'vacuum.sql', role: 'primary', timeoutSeconds: 300 }]);
  assert.deepEqual(config.logs, { retentionDays: 7, maxBytes: 2n << 30n });
});

test('reading one text never changes what the next one starts from', () => {
  configOf('lease: { durationSeconds: 20 }\nparameters: { a: 1 }');
  assert.deepEqual(configOf(''), defaultConfig);
  assert.equal(defaultConfig.lease.durationSeconds, 8);
});

const mistakes: { title: string; text: string; fields: string[]; says?: RegExp }[] = [
  {
    title: 'a fence that outlasts the lease',
    text: 'lease: { fenceSeconds: 6.6 }',
    fields: ['lease.fenceSeconds'],
    says: /durationSeconds/,
  },
  {
    title: 'a fence without room for two tries',
    text: 'lease: { fenceSeconds: 5 }',
    fields: ['lease.fenceSeconds'],
    says: /two tries/,
  },
  { title: 'a lease with a broken second', text: 'lease: { durationSeconds: 8.5 }', fields: ['lease.durationSeconds'] },
  { title: 'a negative duration', text: 'hangSeconds: -1', fields: ['hangSeconds'] },
  { title: 'a duration that is no number', text: 'hangSeconds: .nan', fields: ['hangSeconds'] },
  { title: 'a word that is none of the choices', text: 'failover: sometimes', fields: ['failover'], says: /manual/ },
  { title: 'a flag in quotes', text: 'paused: "true"', fields: ['paused'], says: /without quotes/ },
  { title: 'an amount with an unknown unit', text: 'readLagLimit: 16MiX', fields: ['readLagLimit'] },
  { title: 'a share below 0', text: 'disk: { warnPercent: -1 }', fields: ['disk.warnPercent'], says: /1 to 100/ },
  { title: 'a share above 100', text: 'disk: { readOnlyPercent: 101 }', fields: ['disk.readOnlyPercent'] },
  { title: 'less than no bytes', text: 'disk: { minFreeBytes: -5 }', fields: ['disk.minFreeBytes'] },
  {
    title: 'limits of a mount that no member has',
    text: 'disk: { mounts: { dta: { warnPercent: 70 } } }',
    fields: ['disk.mounts.dta'],
    says: /data, wal, log, archive, backup/,
  },
  { title: 'warning after read-only', text: 'disk: { warnPercent: 96 }', fields: ['disk.warnPercent'] },
  { title: 'resuming above read-only', text: 'disk: { resumePercent: 95 }', fields: ['disk.resumePercent'] },
  {
    title: 'the same on one mount',
    text: 'disk: { mounts: { log: { readOnlyPercent: 80 } } }',
    fields: ['disk.mounts.log.warnPercent', 'disk.mounts.log.resumePercent'],
  },
  {
    title: 'a mistyped key',
    text: 'lease: { durationSecond: 9 }',
    fields: ['lease.durationSecond'],
    says: /lease\.durationSeconds\?/,
  },
  { title: 'a key at the wrong place', text: 'durationSeconds: 9', fields: ['durationSeconds'], says: /lease\.durationSeconds/ },
  { title: 'a group where a value belongs', text: 'failover: { mode: auto }', fields: ['failover'] },
  { title: 'a value where a group belongs', text: 'sync: off', fields: ['sync'], says: /mode/ },
  {
    title: 'names of JavaScript’s own',
    text: 'constructor: 1\n__proto__: { x: 1 }\nlease: { toString: 1 }',
    fields: ['constructor', '__proto__', 'lease.toString'],
  },
  { title: 'a list at the top', text: '- a', fields: ['config.yaml'], says: /mapping/ },
  { title: 'a script without a file', text: 'scripts: [{ schedule: "* * * * *" }]', fields: ['scripts[0].file'] },
  {
    title: 'a script outside its ConfigMap',
    text: 'scripts: [{ schedule: "* * * * *", file: ../x }]',
    fields: ['scripts[0].file'],
  },
  { title: 'a schedule that is none', text: 'backup: { schedule: "61 * * * *" }', fields: ['backup.schedule'] },
  { title: 'a parameter over two lines', text: 'parameters: { work_mem: "1\\n2" }', fields: ['parameters.work_mem'] },
  { title: 'a parameter with a name that is none', text: 'parameters: { "a b": 1 }', fields: ['parameters.a b'] },
  { title: 'a parameter that is a list', text: 'parameters: { work_mem: [1] }', fields: ['parameters.work_mem'] },
  { title: 'a key twice', text: 'failover: auto\nfailover: manual', fields: ['config.yaml:2:1'] },
  { title: 'text that is no YAML', text: 'lease: {', fields: ['config.yaml:1:9'] },
  {
    title: 'aliases that multiply',
    text: `a: &a [1]\n${'bcdefghij'
      .split('')
      .map((name, index) => `${name}: &${name} [*${'abcdefghi'[index]}, *${'abcdefghi'[index]}, *${'abcdefghi'[index]}]`)
      .join('\n')}`,
    fields: ['config.yaml'],
  },
  {
    title: 'several at once',
    text: 'hangSeconds: x\npaused: 3\nlease: { renewSecond: 1 }',
    fields: ['hangSeconds', 'paused', 'lease.renewSecond'],
  },
];
for (const { title, text, fields, says } of mistakes) {
  test(`refused whole, with the field and a cure: ${title}`, () => {
    const problems = problemsOf(text);
    assert.deepEqual(
      problems.map((problem) => problem.field),
      fields,
      renderProblems(problems),
    );
    assert.ok(problems.every((problem) => problem.hint.length > 5 && !problem.problem.includes('\n')));
    if (says !== undefined) assert.match(renderProblems(problems), says);
  });
}

for (const pattern of ownedPatterns) {
  test(`the agent’s own parameter ${pattern} is refused, in any case`, () => {
    const name = pattern.replace('*', pattern.startsWith('include') ? '_dir' : '1');
    for (const form of [name, name.toUpperCase()]) {
      assert.match(renderProblems(problemsOf(`parameters: { ${form}: x }`)), /belongs to the agent/);
    }
  });
}

test('no text, however odd, throws or is taken in part', () => {
  const line = fc.tuple(fc.constantFrom(...Object.keys(dynamicTable), 'x', 'lease', ''), fc.oneof(fc.jsonValue(), fc.string()));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 5 }), (lines) => {
      const read = readConfig(
        lines.map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`).join('\n'),
      );
      return read.ok ? contradictions(read.config).length === 0 : read.problems.length > 0;
    }),
    { numRuns: 300 },
  );
});

test('a typo in one group hides no contradiction in another, and makes up none in its own', () => {
  const fieldsOf = (text: string) => {
    const read = readConfig(text);
    return read.ok ? [] : read.problems.map((problem) => problem.field);
  };
  const disk = 'disk:\n  warnPercent: 97\n';
  assert.deepEqual(fieldsOf(`${disk}failovr: manual\nlease:\n  fenceSeconds: 30\n`), [
    'failovr',
    'lease.fenceSeconds',
    'disk.warnPercent',
  ]);
  assert.deepEqual(fieldsOf(`${disk}lease:\n  durationSeconds: 4\n  fenceSecond: 2\n`), [
    'lease.fenceSecond',
    'disk.warnPercent',
  ]);
});

test('every key of the table has its default in the configuration', () => {
  for (const [path, field] of Object.entries(dynamicTable)) {
    const parent = path.split('.').slice(0, -1).join('.');
    const holder = parent === '' ? defaultConfig : defaultOf(parent);
    assert.ok(Object.hasOwn(holder as object, path.split('.').at(-1) ?? ''), path);
    assert.match(field.doc, /\.$/);
  }
});
