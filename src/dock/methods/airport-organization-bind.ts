/**
 * `airport_organization_bind`: binds a dock and its drone (DJI Cloud API, "Organization management"). A fault of one
 * device is in its `err_code`; `result` stays 0, as in DJI's example.
 */
import type { FromSchema } from 'json-schema-to-ts';
import type { Reason } from '../../events.js';
import { hasCode, traceOf } from '../../errors.js';
import type { BindOutcome } from '../../stores/types.js';
import { optionalShortText, optionalText, serialNumber, toText } from '../fields.js';
import { MAX_DEVICES_PER_REQUEST } from '../request-limits.js';
import type { Call, Method } from '../method.js';
import { ok, reasonFor, results, type Result } from '../result-codes.js';

/** A device as asked for. */
interface Device {
  sn: string;
  code: string;
  organizationId: string;
  callsign: string;
  modelKey: string;
}

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
  properties: {
    bind_devices: { type: 'array', minItems: 1, maxItems: MAX_DEVICES_PER_REQUEST, items: deviceSchema },
  },
} as const;

/** Binds what can be bound. A device of another organization stays there. */
export const airportOrganizationBind: Method = {
  name: 'airport_organization_bind',
  data: schema,
  fault: results.bindFailed,
  async handle({ bind_devices }: FromSchema<typeof schema>, call) {
    const open = oncePerCode(call);
    const errInfos = [];
    let failure: Bound | undefined;
    for (const sent of bind_devices) {
      const device = deviceOf(sent);
      let bound = failure;
      try {
        bound ??= await bind(device, open, call);
      } catch (error) {
        bound = { code: results.bindFailed, reason: reasonFor(error), detail: traceOf(error) };
        // The outcome in the store is unknown, so the rest is not even tried. A refusal concerns this device only.
        if (hasCode(error, 'store_unavailable')) failure = bound;
      }
      const { code, ...more } = bound;
      errInfos.push({ sn: device.sn, err_code: code });
      call.tellBind({ outcome: code === results.ok ? 'ok' : 'faulty', sn: device.sn, result: code, ...more });
    }
    return ok({ err_infos: errInfos });
  },
};

function deviceOf(sent: FromSchema<typeof deviceSchema>): Device {
  return {
    sn: toText(sent.sn),
    code: toText(sent.device_binding_code),
    organizationId: toText(sent.organization_id),
    callsign: toText(sent.device_callsign),
    modelKey: toText(sent.device_model_key),
  };
}

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

async function bind(device: Device, open: Open, call: Call): Promise<Bound> {
  const { sn, callsign, modelKey } = device;
  const opened = device.code === '' ? 'wrong_binding_code' : await open(device.code, device.organizationId);
  if (typeof opened === 'string') return { code: results.organizationNotFound, reason: opened };
  const organizationId = opened.id;
  // A dock binds itself and its drone. Another dock has a session, and thus a request, of its own.
  if (sn !== call.gateway && (await call.isGateway(sn))) {
    return { code: results.bindFailed, reason: 'another_gateway', organizationId };
  }
  if (!call.mayBind(sn)) return { code: results.bindFailed, reason: 'too_many_binds', organizationId };
  const boundAt = new Date(call.now()).toISOString();
  const { gateway, account } = call;
  const outcome = await call.within(
    call.bindings.bind({ sn, organizationId, callsign, modelKey, gateway, account, boundAt }),
  );
  return { ...bindOutcomes[outcome], organizationId };
}

const bindOutcomes: Record<BindOutcome, Bound> = {
  bound: { code: results.ok },
  bound_elsewhere: { code: results.boundElsewhere, reason: 'bound_elsewhere' },
  // An operator removed it after the code was looked up.
  no_such_organization: { code: results.organizationNotFound, reason: 'wrong_binding_code' },
};
