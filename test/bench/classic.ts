/**
 * The classic design: an MQTT client beside the broker, which subscribes to all requests and publishes the replies. It
 * trusts its broker with who may ask. None of dockhook's code is in it, so that it stays the same while dockhook changes:
 * tables of its own, one statement and one round trip per request, a bind's devices in one INSERT. `config` needs no
 * statement, for such a backend has the license in its configuration. It checks less than dockhook does (no schema of the
 * `data`, no limits, no timeline, no notifications), which is in its favour.
 *
 * Run it as `classic.ts BROKER_URL DATABASE_URL`; the broker's URL holds its account.
 */
import mqtt from 'mqtt';
import pg from 'pg';
import { LICENSE, ORGANIZATION } from './fleet.js';
import { withoutDelay } from './nagle.js';

/** No trigger and no index beside the keys: what such a backend needs. */
const TABLES = `
CREATE TABLE IF NOT EXISTS organizations (id text PRIMARY KEY, name text NOT NULL, code text NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS bindings (
  sn text PRIMARY KEY,
  organization_id text NOT NULL REFERENCES organizations,
  callsign text NOT NULL,
  model_key text NOT NULL,
  gateway text NOT NULL,
  bound_at timestamptz NOT NULL
)`;

const STATUS = `
SELECT b.sn, b.callsign, o.id, o.name FROM bindings b JOIN organizations o ON o.id = b.organization_id
WHERE b.sn = ANY($1)`;

/** A device that is bound to another organization stays there, and is not returned. */
const BIND = `
INSERT INTO bindings (sn, organization_id, callsign, model_key, gateway, bound_at)
SELECT d.sn, o.id, d.callsign, d.model_key, $1, now()
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS d (sn, id, code, callsign, model_key)
JOIN organizations o ON o.id = d.id AND o.code = d.code
ORDER BY d.sn
ON CONFLICT (sn) DO UPDATE
SET callsign = excluded.callsign, model_key = excluded.model_key, gateway = excluded.gateway, bound_at = excluded.bound_at
WHERE bindings.organization_id = excluded.organization_id
RETURNING sn`;

interface Device {
  sn: string;
  device_binding_code: string;
  organization_id: string;
  device_callsign: string;
  device_model_key: string;
}

interface Data {
  devices: { sn: string }[];
  bind_devices: Device[];
  device_binding_code: string;
  organization_id: string;
}

/** DJI's codes for a code that opens no organization, and for a device that cannot be bound. */
const NO_SUCH_ORGANIZATION = 210230;
const NOT_BOUND = 210229;

const [brokerUrl = '', databaseUrl = ''] = process.argv.slice(2);
process.on('disconnect', () => process.exit());

// As many connections as dockhook has.
const database = new pg.Pool({ connectionString: databaseUrl, max: 10 });

const METHODS: Record<string, (data: Data, gateway: string) => Promise<object>> = {
  config: async () => LICENSE,

  async airport_bind_status({ devices }) {
    const sns = devices.map(({ sn }) => sn);
    const { rows } = await database.query<{ sn: string; callsign: string; id: string; name: string }>(
      STATUS,
      [sns],
    );
    const bound = new Map(rows.map((row) => [row.sn, row]));
    const bind_status = sns.map((sn) => {
      const binding = bound.get(sn);
      return {
        sn,
        is_device_bind_organization: binding !== undefined,
        organization_id: binding?.id ?? '',
        organization_name: binding?.name ?? '',
        device_callsign: binding?.callsign ?? '',
      };
    });
    return { result: 0, output: { bind_status } };
  },

  async airport_organization_get({ device_binding_code: code, organization_id: id }) {
    const { rows } = await database.query<{ name: string }>(
      'SELECT name FROM organizations WHERE code = $1 AND id = $2',
      [code, id],
    );
    const [organization] = rows;
    if (organization === undefined) return { result: NO_SUCH_ORGANIZATION, output: {} };
    return { result: 0, output: { organization_name: organization.name } };
  },

  async airport_organization_bind({ bind_devices: devices }, gateway) {
    const { rows } = await database.query<{ sn: string }>(BIND, [
      gateway,
      devices.map((device) => device.sn),
      devices.map((device) => device.organization_id),
      devices.map((device) => device.device_binding_code),
      devices.map((device) => device.device_callsign),
      devices.map((device) => device.device_model_key),
    ]);
    const bound = new Set(rows.map(({ sn }) => sn));
    const err_infos = devices.map(({ sn }) => ({ sn, err_code: bound.has(sn) ? 0 : NOT_BOUND }));
    return { result: 0, output: { err_infos } };
  },
};

async function answer(topic: string, payload: Buffer): Promise<void> {
  const { tid, bid, method, data } = JSON.parse(payload.toString()) as {
    tid: string;
    bid: string;
    method: string;
    data: Data;
  };
  const gateway = topic.split('/')[2]!;
  const replied = await METHODS[method]?.(data, gateway);
  if (replied === undefined) return;
  const reply = { tid, bid, timestamp: Date.now(), gateway, method, data: replied };
  await client.publishAsync(`${topic}_reply`, JSON.stringify(reply), { qos: 1 });
}

await database.query(TABLES);
await database.query('INSERT INTO organizations VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
  ORGANIZATION.id,
  ORGANIZATION.name,
  ORGANIZATION.bindingCode,
]);
const client = await mqtt.connectAsync(brokerUrl, { clientId: 'classic-backend' });
withoutDelay(client);
client.on('message', (topic, payload) => void answer(topic, payload));
await client.subscribeAsync('thing/product/+/requests', { qos: 1 });
process.send?.({ port: 0 });
