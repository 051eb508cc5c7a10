/**
 * The 21 methods of EMQX's HookProvider for a given set of hooks; one set of handlers serves v2 and v3.
 *
 * Each call is answered exactly once and never with a gRPC error status: EMQX 5.0.x hangs on one until its
 * own timeout, and all versions let a published message pass on it. So a hook that throws, rejects or takes
 * too long is answered with what keeps a client out.
 */
import type { handleUnaryCall } from '@grpc/grpc-js';
import { DockhookError } from '../errors.js';
import type { Hooks, PublishVerdict, Verdict } from '../hooks.js';
import { createTurns } from './turns.js';
import {
  toAction,
  toBroker,
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
  type AuthorizeRequest,
  type ClientRequest,
  type DisconnectedRequest,
  type EmptySuccess,
  type LoadedRequest,
  type LoadedResponse,
  type PublishRequest,
  type ValuedResponse,
} from './translate.js';

/** How a call ended. */
export type CallOutcome =
  /** authenticate, authorize */
  | 'allow'
  | 'deny'
  | 'ignore'
  /** publish */
  | PublishVerdict['kind']
  /** All other hooks. */
  | 'ok'
  /** The hook threw; the answer was the one that keeps a client out. */
  | 'error'
  /** The hook took too long; same answer. */
  | 'timeout'
  /** The answer came too late for the caller: its `grpc-timeout` ran out, or its connection is gone. */
  | 'cancelled';

export interface ServiceOptions {
  hooks: Hooks;
  /** How long a hook may take before it is answered for, in milliseconds; `HOOK_DEADLINE_MS` unless given. */
  hookDeadlineMs: number;
  /** Told of every answered call, with EMQX's name of the hook: `client.authenticate`, … */
  onCall: (hook: string, outcome: CallOutcome, milliseconds: number) => void;
  /** Told why an outcome is `error` or `timeout`, and of a hook that rejects after its deadline. */
  onError: (hook: string, error: unknown) => void;
}

interface Answer<Response> {
  response: Response;
  outcome: CallOutcome;
}

type Respond<Response> = (answer: Answer<Response>) => void;

/** The implementation that grpc-js wants for either version of the service. */
export function createService({ hooks, hookDeadlineMs, onCall, onError }: ServiceOptions) {
  /** An observer that throws must neither change nor lose an answer. */
  function report(hook: string, error: unknown): void {
    try {
      onError(hook, error);
    } catch {
      // Nobody is left to be told.
    }
  }

  const inTurn = createTurns();

  /** A method whose answer `run` hands to `respond`; it must do so once. */
  function method<Request, Response>(
    hook: string,
    run: (request: Request, respond: Respond<Response>) => void,
  ): handleUnaryCall<Request, Response> {
    return (call, callback) => {
      const start = performance.now();
      run(call.request, ({ response, outcome }) => {
        try {
          callback(null, response);
          onCall(hook, call.cancelled ? 'cancelled' : outcome, performance.now() - start);
        } catch (error) {
          report(hook, error);
        }
      });
    };
  }

  /** A method that is done at once. */
  function event<Request>(hook: string, tell?: (request: Request) => void) {
    return method<Request, EmptySuccess>(hook, (request, respond) => {
      let outcome: CallOutcome = 'ok';
      try {
        tell?.(request);
      } catch (error) {
        outcome = 'error';
        report(hook, error);
      }
      respond({ response: EMPTY_SUCCESS, outcome });
    });
  }

  /**
   * A method whose answer decides something; `lastResort` is the answer if there is none in time.
   * @param ownerOf the account that pays for the call with its turns; `''` for none
   */
  function question<Request>(
    hook: string,
    { lastResort, ownerOf }: { lastResort: ValuedResponse; ownerOf: (request: Request) => string },
    ask: (request: Request) => Promise<Answer<ValuedResponse>>,
  ) {
    return method<Request, ValuedResponse>(hook, (request, respond) => {
      let open = true;
      const settle: Respond<ValuedResponse> = (answer) => {
        if (!open) return;
        open = false;
        clearTimeout(timer);
        respond(answer);
      };
      const timer = setTimeout(() => {
        settle({ response: lastResort, outcome: 'timeout' });
        report(hook, new DockhookError('failed', `${hook} was not decided within ${hookDeadlineMs} ms`));
      }, hookDeadlineMs).unref();
      const begin = (): void => {
        if (!open) return;
        ask(request).then(settle, (error: unknown) => {
          settle({ response: lastResort, outcome: 'error' });
          report(hook, error);
        });
      };
      const owner = ownerOf(request);
      if (owner === '') begin();
      else inTurn(owner, begin);
    });
  }

  const loaded = loadedResponse(hooks.mounted);

  return {
    OnProviderLoaded: method<LoadedRequest, LoadedResponse>('provider.loaded', (request, respond) => {
      try {
        hooks.loaded?.(toBroker(request));
      } catch (error) {
        report('provider.loaded', error);
      }
      respond({ response: loaded, outcome: 'ok' });
    }),
    OnProviderUnloaded: event('provider.unloaded'),

    OnClientConnect: event('client.connect'),
    OnClientConnack: event('client.connack'),
    OnClientConnected: event<ClientRequest>('client.connected', (request) => {
      hooks.connected(toClient(request));
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

    OnSessionCreated: event('session.created'),
    OnSessionSubscribed: event('session.subscribed'),
    OnSessionUnsubscribed: event('session.unsubscribed'),
    OnSessionResumed: event('session.resumed'),
    OnSessionDiscarded: event('session.discarded'),
    OnSessionTakenover: event('session.takenover'),
    OnSessionTerminated: event('session.terminated'),

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
