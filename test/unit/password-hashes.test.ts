import { expect } from 'chai';
import { createHash, pbkdf2Sync } from 'node:crypto';
import { generated } from '../../src/password-hashes/dockhook-sha256.js';
import {
  findAlgorithm,
  fromEmqx,
  hashChosen,
  hashFault,
  hashGenerated,
  mayReplace,
  passwordKind,
  verifyPassword,
} from '../../src/password-hashes/index.js';

const PASSWORD = 'pässwörd 密码';
const SALT = 'sält-1';
const BCRYPT_10 = '$2b$10$abcdefghijklmnopqrstuuW9wZ/E7pyxcrHXaduJVPAWtx6BCnsye';
const BCRYPT_72 = '$2a$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe';

interface Vector {
  title: string;
  password: string;
  salt: string;
  hash: string;
  name: string;
  saltPosition?: string;
  macFun?: string;
  iterations?: string;
}

/** Made by Python's hashlib and libxcrypt's crypt(), or published as the title says. */
const VECTORS: Vector[] = [
  { title: 'bcrypt, $2b$', password: 'secret-of-bcrypt', salt: '', hash: BCRYPT_10, name: 'bcrypt' },
  {
    title: 'bcrypt, $2y$',
    password: 'pässwörd',
    salt: '',
    hash: '$2y$04$abcdefghijklmnopqrstuuyx2n0Zzopyr9QuYTMCfOJJOj526QVoC',
    name: 'bcrypt',
  },
  { title: 'bcrypt, $2a$', password: 'a'.repeat(72), salt: '', hash: BCRYPT_72, name: 'bcrypt' },
  {
    title: 'the example of EMQX’s manual, sha256 with a suffix',
    password: 'public',
    salt: 'slat_foo123',
    hash: '44edc2d57cde8d79c98145003e105b90a14f1460b79186ea9cfe83942fc5abb5',
    name: 'sha256',
    saltPosition: 'suffix',
  },
  {
    title: 'sha256 with a prefix',
    password: PASSWORD,
    salt: SALT,
    hash: '9716ea9131a9e40fe85ea76a0dd2e817da7b7d3dec37e3e7f3b4309fc1f9729a',
    name: 'sha256',
  },
  {
    title: 'sha256 with a suffix, in capitals',
    password: PASSWORD,
    salt: SALT,
    hash: 'D02677D4F595A3F3CB5E1799F01A31F0A648500CAFE752DEE53151495A56E867',
    name: 'sha256',
    saltPosition: 'suffix',
  },
  {
    title: 'sha512 without salt',
    password: PASSWORD,
    salt: 'not used',
    hash: 'c5cd7ce72d017aa90429ce8ec4cc02e7e46482dede8ad7969fc6c759ae88c4f473ec1147963d44a83a9301e7fa11d11d85fcf7b5b4121dbbfc8a0f9e2caa508c',
    name: 'sha512',
    saltPosition: 'disable',
  },
  {
    title: 'sha with a prefix',
    password: PASSWORD,
    salt: SALT,
    hash: '9735b94920668066d12c52a3d4aa90d4707b3a75',
    name: 'sha',
  },
  {
    title: 'pbkdf2 of RFC 7914, section 11',
    password: 'passwd',
    salt: 'salt',
    hash: '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783',
    name: 'pbkdf2',
    iterations: '1',
  },
  {
    title: 'pbkdf2 of RFC 6070 with 4096 iterations',
    password: 'password',
    salt: 'salt',
    hash: '4b007901b765489abead49d926f721d065a429c1',
    name: 'pbkdf2',
    macFun: 'sha',
    iterations: '4096',
  },
  {
    title: 'pbkdf2 with sha256',
    password: PASSWORD,
    salt: SALT,
    hash: '7d13d33045d15fd492e59b929bfcc8bd335d115dcec64c74b93a5148363f1714',
    name: 'pbkdf2',
    iterations: '4096',
  },
  {
    title: 'pbkdf2 with sha512, cut to 16 bytes',
    password: PASSWORD,
    salt: SALT,
    hash: 'b6adbc7fc4995253e0d4694c406708f9',
    name: 'pbkdf2',
    macFun: 'sha512',
    iterations: '1000',
  },
];

describe('hashes that were made elsewhere', () => {
  for (const { title, password, salt, hash, ...given } of VECTORS) {
    it(`verifies ${title}, and nothing else`, async () => {
      const algorithm = { saltPosition: 'prefix', macFun: 'sha256', iterations: '4096', ...given };
      const stored = fromEmqx(algorithm, salt, hash);
      expect(passwordKind(stored)).to.equal('imported');
      expect(hashFault(stored)).to.equal(undefined);
      expect(await verifyPassword(stored, password)).to.equal(true);
      for (const other of [password.slice(0, -1), password.toUpperCase() + '!', '', salt]) {
        expect(await verifyPassword(stored, other), other).to.equal(false);
      }
    });
  }

  const hex = (bytes: number): string => 'ab'.repeat(bytes);
  const unusable: [string, string][] = [
    ['a bcrypt cost that takes seconds', BCRYPT_10.replace('$10$', '$15$')],
    ['a bcrypt cost below 4', BCRYPT_10.replace('$10$', '$03$')],
    ['bcrypt cut short', BCRYPT_10.slice(0, -1)],
    ['bcrypt with more behind it', `${BCRYPT_10}x`],
    ['too many iterations', `$emqx-pbkdf2$sha256$1000001$${hex(8)}$${hex(32)}`],
    ['as much time by fewer rounds of sha512', `$emqx-pbkdf2$sha512$500001$${hex(8)}$${hex(64)}`],
    ['as many rounds by a long digest', `$emqx-pbkdf2$sha256$600000$${hex(8)}$${hex(64)}`],
    ['no iterations', `$emqx-pbkdf2$sha256$0$${hex(8)}$${hex(32)}`],
    ['a digest that can be guessed', `$emqx-pbkdf2$sha256$1000$${hex(8)}$${hex(4)}`],
    ['md5', `$emqx-hash$md5$prefix$${hex(8)}$${hex(16)}`],
    ['an object’s property for a digest', `$emqx-hash$constructor$prefix$${hex(8)}$${hex(32)}`],
    ['a digest of another length', `$emqx-hash$sha256$prefix$${hex(8)}$${hex(20)}`],
    ['no digest', `$emqx-hash$sha256$prefix$${hex(8)}$`],
    ['a digest that is not hexadecimal', `$emqx-hash$sha256$prefix$${hex(8)}$${'xy'.repeat(32)}`],
    ['another salt position', `$emqx-hash$sha256$middle$${hex(8)}$${hex(32)}`],
  ];
  for (const [title, stored] of unusable) {
    it(`refuses ${title}, without quoting it, and without hashing`, async () => {
      const fault = hashFault(stored);
      expect(fault).to.be.a('string').and.not.include(hex(4));
      const error = await verifyPassword(stored, 'x').catch((reason: unknown) => reason);
      expect(error).to.have.property('code', 'bad_row');
    });
  }

  it('refuses argon2id that takes the machine', async () => {
    const rest = '$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ';
    for (const parameters of ['m=999999,t=2,p=1', 'm=65536,t=99,p=1', 'm=19456,t=2,p=9']) {
      const stored = `$argon2id$v=19$${parameters}${rest}`;
      expect(hashFault(stored), parameters).to.be.a('string');
      const error = await verifyPassword(stored, 'x').catch((reason: unknown) => reason);
      expect(error, parameters).to.have.property('code', 'bad_row');
    }
    expect(hashFault(`$argon2id$v=19$m=65536,t=3,p=4${rest}`)).to.equal(undefined);
  });

  it('does not replace bcrypt by a password that bcrypt has not read to its end', async () => {
    const longer = `${'a'.repeat(72)}-and more`;
    expect(await verifyPassword(BCRYPT_72, longer)).to.equal(true);
    expect(mayReplace(BCRYPT_72, longer)).to.equal(false);
    expect(mayReplace(BCRYPT_72, 'a'.repeat(72))).to.equal(true);
  });

  it('does not replace a hash by another password that it takes as well', async () => {
    const pbkdf2 = (password: string) =>
      `$emqx-pbkdf2$sha256$10$61$${pbkdf2Sync(password, 'a', 10, 32, 'sha256').toString('hex')}`;
    const long = 'x'.repeat(65);
    for (const [stored, other] of [
      [BCRYPT_10, 'secret-of-bcrypt\0secret-of-bcrypt'],
      [pbkdf2('secret'), 'secret\0'],
      [pbkdf2(long), long],
    ] as const) {
      expect(await verifyPassword(stored, other), other).to.equal(true);
      expect(mayReplace(stored, other), other).to.equal(false);
    }
    expect(mayReplace(pbkdf2('secret'), 'secret')).to.equal(true);
    const salted = createHash('sha256').update('secret\0').digest('hex');
    expect(mayReplace(`$emqx-hash$sha256$prefix$$${salted}`, 'secret\0')).to.equal(true);
  });
});

/** Anything that a person or a machine may take for a password. */
const PASSWORDS = [
  'p',
  'pässwörd 密码 🔑',
  ' leading and trailing ',
  '\u0000',
  'a'.repeat(65_535),
  '$argon2id$',
];

describe('hashes of our own', () => {
  it('verifies a generated password against its salted hash, and nothing else', () => {
    for (const password of PASSWORDS) {
      const stored = hashGenerated(password);
      expect(findAlgorithm(stored)?.speed).to.equal('fast');
      expect(generated.verify(stored, password)).to.equal(true);
      expect(generated.verify(stored, `${password}x`)).to.equal(false);
      expect(generated.verify(stored, '')).to.equal(false);
      expect(hashGenerated(password)).to.not.equal(stored);
      expect(stored).to.not.include(password === 'p' ? '\n' : password);
    }
  });

  it('verifies a chosen password with argon2id at 19 MiB and two passes', async () => {
    for (const password of PASSWORDS) {
      const stored = await hashChosen(password);
      expect(stored).to.match(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
      expect(await verifyPassword(stored, password)).to.equal(true);
      expect(await verifyPassword(stored, `${password}x`)).to.equal(false);
    }
  });

  it('reports a damaged generated hash as a bad row, and not as a wrong password', () => {
    for (const rest of ['', '$', 'a$b$c', 'a$', 'onlysalt', `a$${'b'.repeat(42)}`]) {
      expect(() => generated.verify(`$dockhook-sha256$${rest}`, 'x'), rest)
        .to.throw()
        .with.property('code', 'bad_row');
    }
  });

  it('reports a damaged argon2 hash as a bad row, and not as a wrong password', async () => {
    for (const stored of ['', 'plain', '$argon2id$', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA']) {
      const error = await verifyPassword(stored, stored).catch((reason: unknown) => reason);
      expect(error, stored).to.have.property('code', 'bad_row');
    }
  });
});
