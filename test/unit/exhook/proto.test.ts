import { loadSync } from '@grpc/proto-loader';
import { expect } from 'chai';
import { hookProvider, protoFile, serviceName, VERSIONS, type Version } from '../../../src/exhook/proto.js';
import { recordings } from '../../support/recordings.js';

/** EMQX's 21 methods with the names of their request and answer. */
const METHODS: Record<string, [request: string, response: string]> = {
  OnProviderLoaded: ['ProviderLoadedRequest', 'LoadedResponse'],
  OnProviderUnloaded: ['ProviderUnloadedRequest', 'EmptySuccess'],
  OnClientConnect: ['ClientConnectRequest', 'EmptySuccess'],
  OnClientConnack: ['ClientConnackRequest', 'EmptySuccess'],
  OnClientConnected: ['ClientConnectedRequest', 'EmptySuccess'],
  OnClientDisconnected: ['ClientDisconnectedRequest', 'EmptySuccess'],
  OnClientAuthenticate: ['ClientAuthenticateRequest', 'ValuedResponse'],
  OnClientAuthorize: ['ClientAuthorizeRequest', 'ValuedResponse'],
  OnClientSubscribe: ['ClientSubscribeRequest', 'EmptySuccess'],
  OnClientUnsubscribe: ['ClientUnsubscribeRequest', 'EmptySuccess'],
  OnSessionCreated: ['SessionCreatedRequest', 'EmptySuccess'],
  OnSessionSubscribed: ['SessionSubscribedRequest', 'EmptySuccess'],
  OnSessionUnsubscribed: ['SessionUnsubscribedRequest', 'EmptySuccess'],
  OnSessionResumed: ['SessionResumedRequest', 'EmptySuccess'],
  OnSessionDiscarded: ['SessionDiscardedRequest', 'EmptySuccess'],
  OnSessionTakenover: ['SessionTakenoverRequest', 'EmptySuccess'],
  OnSessionTerminated: ['SessionTerminatedRequest', 'EmptySuccess'],
  OnMessagePublish: ['MessagePublishRequest', 'ValuedResponse'],
  OnMessageDelivered: ['MessageDeliveredRequest', 'EmptySuccess'],
  OnMessageDropped: ['MessageDroppedRequest', 'EmptySuccess'],
  OnMessageAcked: ['MessageAckedRequest', 'EmptySuccess'],
};

interface Descriptor {
  name: string;
  field?: { name: string; number: number; type: string; label: string; typeName: string }[];
  nestedType?: Descriptor[];
  enumType?: unknown[];
}

/** Every message of a version by name, as protobuf's own descriptors. */
function messagesOf(version: Version): Map<string, Descriptor> {
  const prefix = `emqx.exhook.${version}.`;
  const messages = new Map<string, Descriptor>();
  for (const [name, definition] of Object.entries(loadSync(protoFile(version), { keepCase: true }))) {
    if (name.startsWith(prefix) && 'format' in definition) {
      messages.set(name.slice(prefix.length), definition.type as Descriptor);
    }
  }
  return messages;
}

for (const version of VERSIONS) {
  describe(`exhook.proto ${version}`, () => {
    it('has EMQX’s 21 methods, all unary, with EMQX’s request and answer types', () => {
      const service = hookProvider(version);
      const seen = Object.entries(service).map(([method, definition]) => {
        const { requestType, responseType } = definition as unknown as Record<string, { type: Descriptor }>;
        expect(definition.path).to.equal(`/${serviceName(version)}/${method}`);
        expect([definition.requestStream, definition.responseStream]).to.deep.equal([false, false]);
        return [method, [requestType!.type.name, responseType!.type.name]];
      });
      expect(Object.fromEntries(seen)).to.deep.equal(METHODS);
      expect(seen).to.have.lengthOf(21);
    });

    it('decodes every recorded request to exactly what it says, and encodes it back to the same bytes', () => {
      // Without `defaults`, so that absent and default are told apart.
      const loaded = loadSync(protoFile(version), { keepCase: true, enums: String, longs: String });
      const service = loaded[serviceName(version)] as ReturnType<typeof hookProvider>;
      const recorded = recordings(version);
      for (const { method, case: what, bytes, request } of recorded) {
        const { requestDeserialize, requestSerialize } = service[method]!;
        const decoded = requestDeserialize(bytes) as object;
        expect(decoded, `${method}, ${what}`).to.deep.equal(request);
        expect(requestSerialize(decoded).toString('hex'), `${method}, ${what}`).to.equal(
          bytes.toString('hex'),
        );
      }
      expect(new Set(recorded.map(({ method }) => method))).to.have.property('size', 21);
    });
  });
}

describe('exhook.proto v3', () => {
  it('is v2 with six property fields added, and no number changed', () => {
    const v2 = messagesOf('v2');
    const added: string[] = [];
    const v3 = messagesOf('v3');
    for (const [name, message] of v3) {
      const old = v2.get(name);
      expect(old, name).to.exist;
      const oldNumbers = new Set(old!.field?.map(({ number }) => number));
      const kept = message.field?.filter(({ number }) => oldNumbers.has(number));
      expect(kept, name).to.deep.equal(old!.field);
      expect(message.enumType, name).to.deep.equal(old!.enumType);
      for (const { name: field, number } of message.field ?? []) {
        if (!oldNumbers.has(number)) added.push(`${name}.${field} = ${number}`);
      }
    }
    expect([...v3.keys()]).to.deep.equal([...v2.keys()]);
    expect(added).to.have.members([
      'ClientConnectRequest.user_props = 4',
      'ClientConnackRequest.user_props = 5',
      'ClientSubscribeRequest.user_props = 5',
      'ClientUnsubscribeRequest.user_props = 5',
      'MessagePublishRequest.props = 3',
      'MessagePublishRequest.user_props = 4',
    ]);
  });
});
