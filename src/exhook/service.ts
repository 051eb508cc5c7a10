/** The 21 methods of EMQX's HookProvider for a given set of hooks; one set of handlers serves v2 and v3. */
import type { Hooks, Verdict } from '../hooks.js';
import { createCalls, type Answer, type CallOptions, type Calls } from './calls.js';
import {
  toAction,
  toBroker,
  ALLOW,
  toClient,
  DENY,
  IGNORE,
  loadedResponse,
  toMessage,
  toPassword,
  publishResponse,
  messageIn,
  type AuthorizeRequest,
  type ClientRequest,
  type ConnectedRequest,
  type DisconnectedRequest,
  type LoadedRequest,
  type LoadedResponse,
  type PublishRequest,
  type ValuedResponse,
} from './translate.js';

export interface ServiceOptions extends CallOptions {
  hooks: Hooks;
}

/** The implementation that grpc-js wants for either version of the service. */
export function createService({ hooks, ...options }: ServiceOptions) {
  const calls = createCalls(options);
  return {
    ...providerMethods(calls, hooks),
    ...clientMethods(calls, hooks),
    ...sessionMethods(calls),
    ...messageMethods(calls, hooks),
  };
}

function providerMethods({ method, event, report }: Calls, hooks: Hooks) {
  return {
    OnProviderLoaded: method<LoadedRequest, LoadedResponse>('provider.loaded', (request, respond) => {
      const broker = toBroker(request);
      try {
        hooks.loaded?.(broker);
      } catch (error) {
        report('provider.loaded', error);
      }
      respond({ response: loadedResponse(hooks.mounted(broker.version)), outcome: 'ok' });
    }),
    OnProviderUnloaded: event('provider.unloaded'),
  };
}

function clientMethods({ event, question }: Calls, hooks: Hooks) {
  return {
    OnClientConnect: event('client.connect'),
    OnClientConnack: event('client.connack'),
    OnClientConnected: event<ConnectedRequest>('client.connected', (request) => {
      hooks.connected(toClient(request), request.meta?.version ?? '');
    }),
    OnClientDisconnected: event<DisconnectedRequest>('client.disconnected', (request) => {
      hooks.disconnected(toClient(request), request.reason);
    }),
    OnClientAuthenticate: question<ClientRequest>(
      'client.authenticate',
      // Nobody has shown yet that the account is theirs: strangers must not take its turns.
      { lastResort: DENY, ownerOf: () => '' },
      async (request) => verdictAnswer(await hooks.authenticate(toClient(request), toPassword(request))),
    ),
    OnClientAuthorize: question<AuthorizeRequest>(
      'client.authorize',
      { lastResort: DENY, ownerOf: ({ clientinfo }) => clientinfo?.username ?? '' },
      async (request) =>
        verdictAnswer(await hooks.authorize(toClient(request), toAction(request), request.topic)),
    ),
    OnClientSubscribe: event('client.subscribe'),
    OnClientUnsubscribe: event('client.unsubscribe'),
  };
}

function sessionMethods({ event }: Calls) {
  return {
    OnSessionCreated: event('session.created'),
    OnSessionSubscribed: event('session.subscribed'),
    OnSessionUnsubscribed: event('session.unsubscribed'),
    OnSessionResumed: event('session.resumed'),
    OnSessionDiscarded: event('session.discarded'),
    OnSessionTakenover: event('session.takenover'),
    OnSessionTerminated: event('session.terminated'),
  };
}

function messageMethods({ event, question }: Calls, hooks: Hooks) {
  return {
    OnMessagePublish: question<PublishRequest>(
      'message.publish',
      { lastResort: IGNORE, ownerOf: ({ message }) => message?.headers['username'] ?? '' },
      async (request) => {
        const message = messageIn(request);
        const verdict = await hooks.publish(toMessage(message));
        return { response: publishResponse(message, verdict), outcome: verdict.kind };
      },
    ),
    OnMessageDelivered: event('message.delivered'),
    OnMessageDropped: event('message.dropped'),
    OnMessageAcked: event('message.acked'),
  };
}

/** Anything but a clear yes, or "not ours", is no. */
function verdictAnswer(verdict: Verdict): Answer<ValuedResponse> {
  if (verdict === true) return { response: ALLOW, outcome: 'allow' };
  if (verdict === 'ignore') return { response: IGNORE, outcome: 'ignore' };
  return { response: DENY, outcome: 'deny' };
}
