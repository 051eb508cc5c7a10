/** `dockhook license …`: the app id, key and license that a dock verifies. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { command } from '../command.js';
import { TIME_SERVER } from '../dock/time-server.js';
import { DockhookError, messageOf } from '../errors.js';
import type { License } from '../stores/types.js';
import { readStdin } from './input.js';
import { withStores } from './open-stores.js';
import { addExamples, wantsJson } from './options.js';
import { print, printFields, printJson } from './output.js';

const FIELDS = {
  app_id: 'appId',
  app_key: 'appKey',
  app_license: 'appLicense',
  ntp_host: 'ntpHost',
  ntp_port: 'ntpPort',
} as const;

export function addLicenseCommand(program: Command): void {
  const license = program.command('license').description('license of your DJI "Cloud API" app');
  addExamples(
    license
      .command('set <file>')
      .description('store the license from a JSON file, or from standard input with -')
      .addHelpText(
        'after',
        '\nThe file holds what developer.dji.com shows for an app of type "Cloud API":\n' +
          '  {"app_id":"…","app_key":"…","app_license":"…","ntp_host":"pool.ntp.org","ntp_port":123}\n' +
          'ntp_host and ntp_port may be left out.',
      )
      .action(setLicense),
    'dockhook license set license.json',
    'gpg --decrypt license.json.gpg | dockhook license set -',
  );
  addExamples(
    license
      .command('show')
      .description('show the license; of its secrets only length and fingerprint, to compare them')
      .addHelpText('after', `\n${HOW_TO_COMPARE}`)
      .action(showLicense),
    'dockhook license show',
  );
  addExamples(
    license.command('clear').description('remove the license').action(clearLicense),
    'dockhook license clear',
  );
}

async function setLicense(path: string, _options: unknown, command: Command): Promise<void> {
  const license = parseLicense(path, path === '-' ? await readStdin() : await readText(path));
  await withStores(command, (stores) => stores.license.set(license));
  if (wantsJson(command)) printJson(masked(license));
  else print(`license of app ${license.appId} stored; docks get it at their next config request`);
}

async function showLicense(_options: unknown, self: Command): Promise<void> {
  const license = await withStores(self, (stores) => stores.license.get());
  if (!license) {
    throw new DockhookError('not_found', `no license is set: ${command('license', 'set', '--help')}`);
  }
  if (wantsJson(self)) {
    printJson(masked(license));
    return;
  }
  const { app_id, app_key, app_license, ntp_host, ntp_port } = masked(license);
  const isDefault = license.ntpHost === undefined ? ' (default)' : '';
  printFields({
    app_id,
    app_key: fingerprintText(app_key),
    app_license: fingerprintText(app_license),
    ntp_host: `${ntp_host}${isDefault}`,
    ntp_port: String(ntp_port),
  });
  print(`\n${HOW_TO_COMPARE}`);
}

async function clearLicense(_options: unknown, command: Command): Promise<void> {
  await withStores(command, (stores) => stores.license.clear());
  if (wantsJson(command)) printJson({});
  else print('license removed: docks that connect now fail their license verification');
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new DockhookError('usage', `cannot read the license: ${messageOf(error)}`, { cause: error });
  }
}

/** Says which field is wrong, never what is in it. */
function parseLicense(path: string, text: string): License {
  const where = path === '-' ? 'standard input' : path;
  let given: unknown;
  try {
    given = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    // The parser's message would quote the text, and the text is a secret.
    throw new DockhookError('usage', `${where} is not valid JSON`);
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new DockhookError('usage', `${where} does not hold a JSON object`);
  }
  const license: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(given)) {
    if (!Object.hasOwn(FIELDS, field)) {
      throw new DockhookError(
        'usage',
        `${where}: unknown field "${field}"; the fields are ${Object.keys(FIELDS).join(', ')}`,
      );
    }
    // DJI's site shows the app id as a bare number.
    license[FIELDS[field as keyof typeof FIELDS]] =
      field === 'app_id' && typeof value === 'number' ? String(value) : value;
  }
  for (const field of ['app_id', 'app_key', 'app_license'] as const) {
    const value = license[FIELDS[field]];
    if (typeof value !== 'string' || value === '') {
      throw new DockhookError('usage', `${where}: "${field}" is missing or not a text`);
    }
    if (value.includes('…')) {
      throw new DockhookError('usage', `${where}: "${field}" is still the "…" of the example`);
    }
  }
  // The store checks the rest against the schema.
  return license as License;
}

/** What docks get, without secrets. */
function masked(license: License) {
  return {
    app_id: license.appId,
    app_key: fingerprint(license.appKey),
    app_license: fingerprint(license.appLicense),
    ntp_host: license.ntpHost ?? TIME_SERVER.host,
    ntp_port: license.ntpPort ?? TIME_SERVER.port,
  };
}

/** Of a shorter text it could be found out what it is, by trying. DJI's have at least 32 characters. */
const SHORTEST_WITH_FINGERPRINT = 16;

interface Fingerprint {
  length: number;
  /** The first eight digits of the text's SHA-256; null for a short one. */
  sha256: string | null;
}

function fingerprint(secret: string): Fingerprint {
  const digest = createHash('sha256').update(secret).digest('hex').slice(0, 8);
  return { length: secret.length, sha256: secret.length < SHORTEST_WITH_FINGERPRINT ? null : digest };
}

function fingerprintText({ length, sha256 }: Fingerprint): string {
  return `${length} characters, ${sha256 === null ? 'too short for a fingerprint' : `fingerprint ${sha256}`}`;
}

/** `read` keeps the text out of the shell's history, and takes blanks away that were copied with it. */
const HOW_TO_COMPARE = `To compare a text of developer.dji.com, run this line in bash, paste the text, and press Enter. It prints length and fingerprint:

  read -rs TEXT && printf '%s characters, fingerprint ' "\${#TEXT}" && printf %s "$TEXT" | openssl sha256 -r | cut -c1-8`;
