/** Finds the method that a dock asks for, and lets it answer. */
import type { AnswerForBackend } from '../answer-for-backend.js';
import { traceOf } from '../errors.js';
import type { AccessEvent } from '../events.js';
import type { Message, Session } from '../hooks.js';
import type { Publishers } from '../publisher.js';
import type { Bindings, Organizations, RememberedLicense } from '../stores/types.js';
import type { Within } from '../time-limits.js';
import { createBindQuota } from './bind-quota.js';
import { createCodeGuesses } from './code-guesses.js';
import type { Envelope } from './envelope.js';
import { compile, type Call } from './method.js';
import * as methods from './methods/index.js';
import { organizationFor } from './organization.js';
import { fault, reasonFor, results, type Answer } from './result-codes.js';

export interface AnswerOptions extends Pick<Publishers, 'isListed'> {
  organizations: Organizations;
  bindings: Bindings;
  license: RememberedLicense;
  /** `methods` that are not ours get an empty reply, so that a dock does not wait for a backend that does not exist. */
  answerForBackend: AnswerForBackend;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** A message from a live session on a `requests` topic. */
export interface Asked {
  message: Message;
  gateway: string;
  session: Session;
  within: Within;
  tell: (event: Pick<AccessEvent, 'outcome'> & Partial<AccessEvent>) => void;
}

const methodsByName = new Map(
  Object.values(methods).map((method) => [method.name, { fault: method.fault, answer: compile(method) }]),
);

/** `{result: 0}`; DJI's FAQ says that it is enough for `offline_map_get`. "No flight areas" is an empty list of files. */
function emptyReply(name: string): Answer {
  const output = name === 'flight_areas_get' ? { files: [] } : undefined;
  return { data: { result: results.ok, output }, result: results.ok };
}

/** Makes the function that answers a request. It never rejects; `undefined` if the method is not ours. */
export function createAnswers(
  options: AnswerOptions,
): (envelope: Envelope, asked: Asked) => Promise<Answer | undefined> {
  const { organizations, bindings, license, now } = options;
  const guesses = createCodeGuesses(now);
  const binds = createBindQuota(now);

  function callFor({ gateway, session: { account }, within, tell }: Asked): Call {
    return {
      gateway,
      account,
      within,
      bindings,
      license,
      openOrganization: (code, id) =>
        guesses.attempt({ gateway, account }, () => within(organizationFor(organizations, code, id))),
      mayBind: (sn) => binds.take({ gateway, account }, sn),
      isListed: (sn) => options.isListed(sn, within),
      tellBind: (event) => {
        tell({ step: 'bind', ...event });
      },
      now,
    };
  }

  return async ({ method: name, data }, asked) => {
    const method = methodsByName.get(name);
    if (method === undefined) {
      return options.answerForBackend.methods.has(name) ? emptyReply(name) : undefined;
    }
    try {
      return await method.answer(data, callFor(asked));
    } catch (error) {
      return fault(method.fault, reasonFor(error), traceOf(error));
    }
  };
}
