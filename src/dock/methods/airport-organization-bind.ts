/**
 * `airport_organization_bind`: binds a dock and its drone (DJI Cloud API, "Organization management"). A fault of one
 * device is in its `err_code`; `result` stays 0, as in DJI's example.
 */
import type { FromSchema } from 'json-schema-to-ts';
import type { Reason } from '../../events.js';
import { traceOf } from '../../errors.js';
import type { BindOutcome, Binding } from '../../stores/types.js';
import { deviceList, namesDevice, noneUsable, okForEach, readDevices, type Listed } from '../devices.js';
import { optionalShortText, optionalText, serialNumber, toText } from '../fields.js';
import type { Call, Method } from '../method.js';
import { reasonFor, results, type Result } from '../result-codes.js';

type Sent = FromSchema<typeof deviceSchema>;

/** The result for one device. */
interface Bound {
  code: Result;
  /** The one its code opened. The id that was sent is not reported: people type the code there. */
  organizationId?: string;
  reason?: Reason;
  detail?: string;
}

const deviceSchema = {
  type: 'object',
  required: ['sn'],
  properties: {
    sn: serialNumber,
    device_binding_code: optionalText,
    organization_id: optionalText,
    device_callsign: optionalText,
    device_model_key: optionalShortText,
  },
} as const;

const schema = {
  type: 'object',
  required: ['bind_devices'],
  properties: { bind_devices: deviceList },
} as const;

const readList = readDevices<Sent>('bind_devices', deviceSchema);

/** Binds what can be bound, all of it by one statement. A device of another organization stays there. */
export const airportOrganizationBind: Method = {
  name: 'airport_organization_bind',
  data: schema,
  fault: results.bindFailed,
  async handle({ bind_devices }: FromSchema<typeof schema>, call) {
    const list = readList(bind_devices);
    const refusal = noneUsable(list);
    if (refusal !== undefined) return refusal;
    const open = oncePerCode(call);
    const looked = await Promise.all(list.map((one) => bindingFor(one, open, call).catch(failed)));
    const checked = looked.map((one) => ('code' in one ? one : withinQuota(one, call)));
    const bindings = checked.flatMap((one) => ('code' in one ? [] : one));
    // In the order of the bindings, and so each takes the place of its own.
    const bound = bindings.length === 0 ? [] : await bindTogether(bindings, call);
    const all = checked.flatMap((one) => ('code' in one ? one : bound.splice(0, 1)));
    const errInfos = all.flatMap(({ code, ...more }, index) => {
      const one = list[index];
      if (one === undefined) return [];
      const { sn } = one;
      if (namesDevice(one))
        call.tellBind({ outcome: code === results.ok ? 'ok' : 'faulty', sn, result: code, ...more });
      return { sn, err_code: code };
    });
    return okForEach(list, { err_infos: errInfos });
  },
};

type Open = Call['openOrganization'];

/** Dock and drone come with the same code: a wrong one is one wrong guess, not two. */
function oncePerCode(call: Call): Open {
  const opened = new Map<string, ReturnType<Open>>();
  return (code, id) => {
    const key = JSON.stringify([code, id]);
    const known = opened.get(key) ?? call.openOrganization(code, id);
    opened.set(key, known);
    return known;
  };
}

/** The binding that a device asks for, or why it cannot have it. */
async function bindingFor(listed: Listed<Sent>, open: Open, call: Call): Promise<Binding | Bound> {
  if ('misfit' in listed) {
    return { code: results.invalidArgument, reason: 'invalid_data', detail: listed.misfit };
  }
  const { sn, device: sent } = listed;
  const code = toText(sent.device_binding_code);
  const opened = code === '' ? 'no_binding_code' : await open(code, toText(sent.organization_id));
  if (typeof opened === 'string') return { code: results.organizationNotFound, reason: opened };
  const organizationId = opened.id;
  const { gateway, account } = call;
  // A dock binds itself and its drone. Another dock has a session, and thus a request, of its own.
  if (sn !== gateway && (await call.isListed(sn))) {
    return { code: results.bindFailed, reason: 'another_gateway', organizationId };
  }
  return {
    sn,
    organizationId,
    callsign: toText(sent.device_callsign),
    modelKey: toText(sent.device_model_key),
    gateway,
    account,
    boundAt: new Date(call.now()).toISOString(),
  };
}

function withinQuota(binding: Binding, call: Call): Binding | Bound {
  if (call.mayBind(binding.sn)) return binding;
  return { code: results.bindFailed, reason: 'too_many_binds', organizationId: binding.organizationId };
}

/** The result for each, in their order. If the statement fails, nobody knows what became of any: all count as not bound. */
async function bindTogether(bindings: readonly Binding[], call: Call): Promise<Bound[]> {
  const withId = (result: (index: number) => Bound): Bound[] =>
    bindings.map(({ organizationId }, index) => ({ ...result(index), organizationId }));
  try {
    const outcomes = await call.within(call.bindings.bind(bindings));
    return withId((index) => resultOf(outcomes[index]));
  } catch (error) {
    return withId(() => failed(error));
  }
}

function resultOf(outcome: BindOutcome | Error | undefined): Bound {
  return typeof outcome === 'string' ? boundBy[outcome] : failed(outcome);
}

function failed(error: unknown): Bound {
  return { code: results.bindFailed, reason: reasonFor(error), detail: traceOf(error) };
}

const boundBy: Record<BindOutcome, Bound> = {
  bound: { code: results.ok },
  another_gateway: { code: results.bindFailed, reason: 'another_gateway' },
  bound_elsewhere: { code: results.boundElsewhere, reason: 'bound_elsewhere' },
  // An operator removed it after the code was looked up.
  no_such_organization: { code: results.organizationNotFound, reason: 'wrong_binding_code' },
};
