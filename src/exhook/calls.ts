/**
 * How a gRPC call becomes a call of a hook and an answer.
 *
 * Each call is answered exactly once and never with a gRPC error status: EMQX 5.0.x hangs on one until its
 * own timeout, and all versions let a published message pass on it. So a hook that throws, rejects or takes
 * too long is answered with what keeps a client out.
 */
import type { handleUnaryCall } from '@grpc/grpc-js';
import { DockhookError } from '../errors.js';
import type { PublishVerdict } from '../hooks.js';
import { EMPTY_SUCCESS, type EmptySuccess, type ValuedResponse } from './translate.js';
import { createTurns } from './fair-turns.js';

/** How a call ended. */
type CallOutcome =
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

/** Callbacks that throw neither change nor lose an answer. */
export interface CallOptions {
  /** How long a hook may take before it is answered for, in milliseconds; `HOOK_DEADLINE_MS` unless given. */
  hookDeadlineMs: number;
  /** Told of every answered call, with EMQX's name of the hook: `client.authenticate`, … */
  onCall: (hook: string, outcome: CallOutcome, milliseconds: number) => void;
  /** Told why an outcome is `error` or `timeout`, and of a hook that rejects after its deadline. */
  onError: (hook: string, error: unknown) => void;
}

/** What EMQX gets, and how the call is counted. */
export interface Answer<Response> {
  response: Response;
  outcome: CallOutcome;
}

type Respond<Response> = (answer: Answer<Response>) => void;

/** Makers of the methods that grpc-js wants, and a safe way to report an error. */
export type Calls = ReturnType<typeof createCalls>;

/** Makes the methods that grpc-js wants. */
export function createCalls({ hookDeadlineMs, onCall, onError }: CallOptions) {
  const report = safely(onError);
  const inTurn = createTurns();

  /**
   * A method whose answer `run` hands to `respond`; it must do so once. `isGivenUp` tells whether the caller waits no
   * longer. EMQX does not cancel a call, and gRPC counts the call's time limit only from when it reads the call: what lay
   * in the socket longer than that is not recognised.
   */
  function method<Request, Response>(
    hook: string,
    run: (request: Request, respond: Respond<Response>, isGivenUp: () => boolean) => void,
  ): handleUnaryCall<Request, Response> {
    return (call, callback) => {
      const start = performance.now();
      const isGivenUp = (): boolean => call.cancelled || Number(call.getDeadline()) <= Date.now();
      const respond: Respond<Response> = ({ response, outcome }) => {
        try {
          const counted = isGivenUp() ? 'cancelled' : outcome;
          callback(null, response);
          onCall(hook, counted, performance.now() - start);
        } catch (error) {
          report(hook, error);
        }
      };
      run(call.request, respond, isGivenUp);
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
    return method<Request, ValuedResponse>(hook, (request, respond, isGivenUp) => {
      let open = true;
      const settle: Respond<ValuedResponse> = (answer) => {
        if (!open) return;
        open = false;
        clearTimeout(timer);
        respond(answer);
      };
      const expire = (): void => {
        if (!open) return;
        settle({ response: lastResort, outcome: 'timeout' });
        report(hook, new DockhookError('failed', `${hook} was not decided within ${hookDeadlineMs} ms`));
      };
      // Not at once: if the loop was busy, what the hook waits for may have come, and is read before that.
      const timer = setTimeout(() => setImmediate(expire), hookDeadlineMs).unref();
      const begin = (): void => {
        if (!open) return;
        // In a storm, the time is for those that can still be served.
        if (isGivenUp()) {
          settle({ response: lastResort, outcome: 'cancelled' });
          return;
        }
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

  return { method, event, question, report };
}

/** An observer that throws must neither change nor lose an answer. */
function safely(onError: CallOptions['onError']): CallOptions['onError'] {
  return (hook, error) => {
    try {
      onError(hook, error);
    } catch {
      // Nobody is left to be told.
    }
  };
}
