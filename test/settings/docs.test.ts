/** docs/SETTINGS.md says what the tables say. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { settingsDocument } from '../../agent/settings/docs.ts';

test('the settings in the docs are those of the tables', () => {
  const file = readFileSync(new URL('../../docs/SETTINGS.md', import.meta.url), 'utf8');
  assert.equal(file, settingsDocument(), 'write it anew with: node agent/settings/docs.ts');
});
