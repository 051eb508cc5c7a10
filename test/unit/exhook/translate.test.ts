import { loadSync } from '@grpc/proto-loader';
import { expect } from 'chai';
import fc from 'fast-check';
import { hookProvider, protoFile, serviceName, VERSIONS } from '../../../src/exhook/proto.js';
import {
  toAction,
  ALLOW,
  toClient,
  DENY,
  EMPTY_SUCCESS,
  IGNORE,
  loadedResponse,
  toMessage,
  toPassword,
  publishResponse,
  messageIn,
  type PublishRequest,
  type ValuedResponse,
  type WireMessage,
} from '../../../src/exhook/translate.js';
import { recordings } from '../../support/recordings.js';

const MESSAGE: WireMessage = {
  node: 'n',
  id: 'i',
  qos: 0,
  from: 'f',
  topic: 't',
  payload: Buffer.from('p'),
  timestamp: '5',
  headers: { username: 'u' },
};

/** A printable string of any Unicode, without lone surrogates, which UTF-8 cannot carry. */
const text = fc.string({ unit: 'binary', maxLength: 20 });
const uint32 = fc.nat({ max: 0xffffffff });
const payload = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const wireMessage: fc.Arbitrary<WireMessage> = fc.record({
  node: text,
  id: text,
  qos: uint32,
  from: text,
  topic: text,
  payload,
  timestamp: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
  headers: fc.dictionary(text, text, { maxKeys: 4 }),
});

for (const version of VERSIONS) {
  const service = hookProvider(version);
  /** Gives the type that the caller awaits of this method. */
  const decode = (method: string, bytes: Buffer): never =>
    service[method]!.requestDeserialize(bytes) as never;
  const encode = (method: string, answer: object): string =>
    service[method]!.responseSerialize(answer).toString('hex');

  describe(`the bytes of an answer, ${version}`, () => {
    // 08 = type, 18 = bool_result, 22 = message
    for (const [name, answer, bytes] of [
      ['yes is STOP_AND_RETURN with true', ALLOW, '08021801'],
      ['no is STOP_AND_RETURN with false', DENY, '08021800'],
      ['"not ours" is IGNORE without a value', IGNORE, '0801'],
    ] as const) {
      for (const method of ['OnClientAuthenticate', 'OnClientAuthorize']) {
        it(`${name} (${method})`, () => {
          expect(encode(method, answer)).to.equal(bytes);
        });
      }
    }

    it('a passed message is IGNORE without a value', () => {
      expect(encode('OnMessagePublish', publishResponse(MESSAGE, { kind: 'pass' }))).to.equal('0801');
    });

    it('a dropped message is the same message with the header allow_publish = "false"', () => {
      expect(encode('OnMessagePublish', publishResponse(MESSAGE, { kind: 'drop' }))).to.equal(
        '0802' + // STOP_AND_RETURN
          '223a' + // message
          '0a016e' +
          '120169' +
          '1800' +
          '220166' +
          '2a0174' +
          '320170' +
          '3805' + // node … timestamp
          '420d' +
          '0a08757365726e616d65' +
          '120175' + // username = u
          '4216' +
          '0a0d616c6c6f775f7075626c697368' +
          '120566616c7365', // allow_publish = false
      );
    });

    it('a reply is the same message with topic, payload and QoS of the reply', () => {
      const reply = { kind: 'reply', topic: 'T', payload: Buffer.from('PP'), qos: 1 } as const;
      expect(encode('OnMessagePublish', publishResponse(MESSAGE, reply))).to.equal(
        '0802' + // STOP_AND_RETURN
          '2223' + // message
          '0a016e' +
          '120169' +
          '1801' +
          '220166' +
          '2a0154' +
          '32025050' +
          '3805' + // node … timestamp
          '420d' +
          '0a08757365726e616d65' +
          '120175', // username = u
      );
    });

    it('an event is acknowledged with nothing', () => {
      expect(encode('OnClientConnected', EMPTY_SUCCESS)).to.equal('');
    });

    it('the mounted hooks are their names and topic filters', () => {
      const loaded = loadedResponse([{ name: 'a' }, { name: 'b', topics: ['x/#', 'y'] }]);
      expect(encode('OnProviderLoaded', loaded)).to.equal(
        '0a03' + '0a0161' + '0a0b' + '0a0162' + '1203782f23' + '120179', // name, topics
      );
    });
  });

  describe(`an answer about any message, ${version}`, () => {
    /** What EMQX reads in our answer to a request about this message, fields that are not there left out. */
    const asked = loadSync(protoFile(version), { keepCase: true, enums: String, longs: String });
    const plain = asked[serviceName(version)] as ReturnType<typeof hookProvider>;
    const answerTo = (message: WireMessage, answer: (message: WireMessage) => ValuedResponse): object => {
      const { requestSerialize, requestDeserialize, responseSerialize } = service['OnMessagePublish']!;
      const request = requestDeserialize(requestSerialize({ message })) as PublishRequest;
      const response = responseSerialize(answer(messageIn(request)));
      return plain['OnMessagePublish']!.responseDeserialize(response) as object;
    };

    it('hands a dropped message back whole, with allow_publish added', () => {
      fc.assert(
        fc.property(wireMessage, (message) => {
          const headers = { ...message.headers, allow_publish: 'false' };
          const dropped = { type: 'STOP_AND_RETURN', message: { ...message, headers } };
          expect(answerTo(message, (seen) => publishResponse(seen, { kind: 'drop' }))).to.deep.equal(dropped);
        }),
      );
    });

    it('hands a replied message back whole, with topic, payload and QoS changed', () => {
      fc.assert(
        fc.property(wireMessage, text, payload, fc.nat({ max: 2 }), (message, topic, bytes, qos) => {
          const answer = answerTo(message, (seen) =>
            publishResponse(seen, { kind: 'reply', topic, payload: bytes, qos }),
          ) as { type: string; message: WireMessage };
          const { headers = {}, ...rest } = answer.message as Partial<WireMessage>;
          expect(answer.type).to.equal('STOP_AND_RETURN');
          expect({ ...rest, headers }).to.deep.equal({ ...message, topic, payload: bytes, qos });
        }),
      );
    });
  });

  describe(`a request, ${version}`, () => {
    const recorded = recordings(version);
    const first = (method: string, text: string): Buffer =>
      recorded.find(({ method: name, case: what }) => name === method && what.startsWith(text))!.bytes;

    it('names its client and, when it asks to authenticate, the password', () => {
      const request = decode(
        'OnClientAuthenticate',
        first('OnClientAuthenticate', 'MQTT 3.1.1 username+password'),
      );
      const { peerPort, node, ...client } = toClient(request);
      expect(client).to.deep.equal({
        clientId: 'dock-SN0001',
        username: 'SN0001',
        peerHost: '127.0.0.1',
        certificateCn: '',
      });
      expect(node).to.match(/^emqx\d@127\.0\.0\.1$/);
      expect(peerPort).to.be.above(1023);
      expect(toPassword(request)).to.equal('s3cret');
    });

    it('tells the common name of a client certificate', () => {
      const bytes = first('OnClientAuthenticate', 'TLS, client cert');
      const { certificateCn } = toClient(decode('OnClientAuthenticate', bytes));
      expect(certificateCn).to.equal('dock-SN0001');
    });

    it('tells what a client calls itself, without the account that the broker put in front', () => {
      const told = (username: string, clientid: string) =>
        toClient({
          clientinfo: { node: '', clientid, username, password: '', peerhost: '', peerport: 0, cn: '' },
        }).clientId;
      expect(told('yard', 'yard|7CTDTEST00000A')).to.equal('7CTDTEST00000A');
      expect(told('yard', '7CTDTEST00000A')).to.equal('7CTDTEST00000A');
      expect(told('yard', 'other|7CTDTEST00000A')).to.equal('other|7CTDTEST00000A');
      const sent = { ...MESSAGE, from: 'u|SN' };
      const live = { ...sent, headers: { username: 'u', protocol: 'mqtt' } };
      expect(toMessage(live).session?.clientId).to.equal('SN');
      // EMQX gets back what it sent.
      expect(publishResponse(sent, { kind: 'drop' }).message?.from).to.equal('u|SN');
    });

    it('tells publish from subscribe', () => {
      const actions = recorded
        .filter(({ method }) => method === 'OnClientAuthorize')
        .map(({ method, bytes, request }) => {
          // PUBLISH is 0 and therefore absent on the wire.
          const expected = 'type' in request ? 'subscribe' : 'publish';
          return [toAction(decode(method, bytes)), expected];
        });
      expect(new Set(actions.flat())).to.have.property('size', 2);
      for (const [action, expected] of actions) expect(action).to.equal(expected);
    });

    it('for an action that the protocol does not name is an error', () => {
      const request = Buffer.from('1002', 'hex');
      expect(() => toAction(decode('OnClientAuthorize', request))).to.throw('unknown action 2');
    });

    it('about a message gives what the hooks are asked about', () => {
      const bytes = first('OnMessagePublish', 'MQTT 3.1.1 username+password');
      const { id, ...message } = toMessage(messageIn(decode('OnMessagePublish', bytes)));
      expect(id).to.match(/^[0-9A-F]{32}$/);
      expect(message).to.deep.equal({
        topic: 'thing/product/SN0001/requests',
        qos: 0,
        payload: Buffer.from('{"q":0}'),
        session: { account: 'SN0001', clientId: 'dock-SN0001', peerHost: '127.0.0.1' },
      });
    });

    for (const [what, headers] of [
      ['has no username, as one of the REST API', { protocol: 'mqtt' }],
      ['has an empty username', { username: '', protocol: 'mqtt' }],
      ['has no protocol, as a will', { username: 'yard' }],
      ['has neither', {}],
    ] as const) {
      it(`about a message that ${what} names no session`, () => {
        expect(toMessage({ ...MESSAGE, headers }).session).to.equal(undefined);
      });
    }

    it('of no bytes at all has neither client nor message', () => {
      const nothing = Buffer.alloc(0);
      expect(() => toClient(decode('OnClientAuthenticate', nothing))).to.throw('no clientinfo');
      expect(() => messageIn(decode('OnMessagePublish', nothing))).to.throw('no message');
    });

    it('about an empty message gives empty fields, not missing ones', () => {
      const empty = Buffer.from('0a00', 'hex');
      expect(toMessage(messageIn(decode('OnMessagePublish', empty)))).to.deep.equal({
        id: '',
        topic: '',
        qos: 0,
        payload: Buffer.alloc(0),
        session: undefined,
      });
    });
  });
}

describe('the types of an answer', () => {
  it('refuse a misspelt field, a misspelt enum name and a missing field', () => {
    // Checked by the compiler: an error that is not there is one.
    const refused: ValuedResponse[] = [
      // @ts-expect-error: the field is bool_result
      { type: 'STOP_AND_RETURN', boolResult: true },
      // @ts-expect-error: the name is STOP_AND_RETURN
      { type: 'STOP', bool_result: true },
      // @ts-expect-error: a value is missing
      { type: 'STOP_AND_RETURN' },
      // @ts-expect-error: one value, not two
      { type: 'STOP_AND_RETURN', bool_result: true, message: MESSAGE },
      // @ts-expect-error: the message is not whole
      { type: 'STOP_AND_RETURN', message: { topic: 't' } },
    ];
    expect(refused).to.have.lengthOf(5);
  });
});
