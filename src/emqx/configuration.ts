/**
 * A configuration for EMQX that lets in only clients that dockhook has accepted. `npm run docs` writes it to
 * deploy/emqx. "Seen" is what a running EMQX did; "read" is what its source says.
 */
import { CLIENT_ID_SEPARATOR } from '../client-id.js';
import type { ProviderSettings } from './provider.js';
import { overridesClientId, type Line, type Version } from './versions.js';

/** `client-certificate` demands and verifies a certificate of the dock. */
export const LISTENERS = ['tcp', 'tls', 'client-certificate'] as const;
/** As `dockhook emqx config --listeners` takes it; not EMQX's own id. */
export type ListenerName = (typeof LISTENERS)[number];

/** EMQX's ids of them. */
const LISTENER_IDS: Readonly<Record<ListenerName, string>> = {
  tcp: 'tcp:default',
  tls: 'ssl:default',
  'client-certificate': 'ssl:client_certificate',
};

/** Files on the machine of EMQX. */
export interface BrokerFiles {
  /** Certificate and chain that docks see. */
  cert: string;
  key: string;
  /** The CA that signs certificates of docks. */
  docksCa: string;
}

/** Where the files are unless the operator names others. */
export const BROKER_FILES: BrokerFiles = {
  cert: '/etc/emqx/certs/broker.pem',
  key: '/etc/emqx/certs/broker.key',
  docksCa: '/etc/emqx/certs/docks-ca.pem',
};

interface ConfigurationOptions {
  line: Line;
  /** The newest of the line unless given. */
  version?: Version;
  server: ProviderSettings;
  listeners: ReadonlySet<ListenerName>;
  files: BrokerFiles;
}

/** Makes the account part of every client id; `client-id.ts` says how and why. */
export const CLIENT_ID_OVERRIDE = `concat([username,'${CLIENT_ID_SEPARATOR}',clientid])`;

/** What differs between the lines of versions: what each value rests on, and a few values themselves. */
interface LineTexts {
  title: string;
  /** The version on which things were seen. */
  seen: string;
  preface?: string;
  failedAction: string;
  reconnect: string;
  authenticator: string;
  noMatch: string;
  /** What keeps requests from being retained. */
  retained: string;
  listeners: string;
  webSocket: string;
  /** Whether EMQX opens its listeners before its hooks are there, so that they must stay closed at its start. */
  closed?: true;
}

const ENABLE_AUTHN = '# enable_authn: with false EMQX lets everybody in and does not ask dockhook (read).';

const NOT_RETAINED = `# With this nothing is retained for anybody on this broker, and a dock that sets the flag is answered (seen on 5.8.9).
retainer.enable = false`;

const FLAG_TAKEN_AWAY = `# This takes the flag away, and a dock that sets it is answered (seen on 5.10.4; of 6.2.0 only the module was run, and
# did so). retainer.enable = false is ignored before 5.9.3, 5.10.4, 6.0.3, 6.1.2 and 6.2.1
# (read). Keep other transformations that you have by adding them here.
message_transformation.transformations = [{
  name = dock_requests_are_not_retained
  topics = ["thing/product/+/requests"]
  failure_action = ignore
  operations = [{ key = "retain", value = "false" }]
}]`;

const TEXTS: Record<Line, LineTexts> = {
  '5.1-5.8': {
    title: '5.1.2 to 5.8',
    seen: '5.8.9',
    failedAction: `
  # While dockhook is away, connect, subscribe and publish are refused (seen on 5.8.9). EMQX remembers what
  # client.authorize allowed, so a request may still pass: unanswered and unchanged.`,
    reconnect: `
  # EMQX has no hooks before its first successful OnProviderLoaded, and asks for them this often (seen on 5.8.9).
  # The default is a minute.`,
    authenticator: `
# An authenticator without users. It runs before dockhook and says "not authorized". dockhook answers later, and its
# yes counts (seen on 5.8.9, read for 5.1.2 and later). While EMQX has no hooks, the no stands: seen on 5.8.9 with
# dockhook absent since the start. Without this block EMQX then let everybody in.
# Keep it empty: a user that it knows gets in, and EMQX does not ask dockhook (seen on 5.8.9).`,
    noMatch: '# Without hooks nobody publishes or subscribes (seen on 5.8.9). The default is allow.',
    retained: NOT_RETAINED,
    listeners: `# Every listener is closed here. This EMQX opens its listeners before its authenticators and hooks are there, and a
# client that came in then with a WRONG password stayed and got the license (seen on 5.8.9). dockhook serve opens the
# listeners that DOCKHOOK_EMQX_LISTENERS names, over REST, once its hooks are mounted on every node (seen: nobody got
# in; deploy/emqx/README.md). At the next restart emqx.conf wins over what that wrote into cluster.hocon, and EMQX is
# closed again (seen).
# \`enable\` and not \`enabled\`, which does nothing once a listener was edited over REST or in the dashboard (seen).
${ENABLE_AUTHN}`,
    webSocket: `# On by default in EMQX, and no dock uses them. Before 5.8.5, hooks of WebSocket clients crash and are skipped
# (emqx/emqx#14543).`,
    closed: true,
  },
  '5.9-5.10': {
    title: '5.9 and 5.10',
    seen: '5.10.4',
    failedAction: `
  # While dockhook is away, connect, subscribe and publish are refused (seen on 5.10.4), until EMQX loses its hooks
  # (below). EMQX remembers what client.authorize allowed, so a request may still pass: unanswered and unchanged.`,
    reconnect: `
  # EMQX has no hooks before its first successful OnProviderLoaded, and asks for them this often; after an outage too
  # (seen on 5.10.4: back within 5 s; with the default of a minute it took 20 s and may take 60).`,
    authenticator: `
# An authenticator without users. It runs before dockhook and says "not authorized". dockhook answers later, and its
# yes counts (seen on 5.10.4). While EMQX has no hooks, the no stands. Without this block EMQX lets everybody in while
# dockhook is absent from the start, when dockhook answers "ignore", and from the second outage of about 10 s or more,
# because 5.9.0 to 5.10.4 then drop all hooks (all seen on 5.10.4, and seen closed with it).
# Keep it empty: a user that it knows gets in, and EMQX does not ask dockhook (seen on 5.10.4).`,
    noMatch: '# Without hooks nobody publishes or subscribes (seen on 5.10.4). The default is allow.',
    retained: FLAG_TAKEN_AWAY,
    listeners: ENABLE_AUTHN,
    webSocket: '# On by default in EMQX, and no dock uses them.',
  },
  '6': {
    title: '6',
    seen: '5.10.4',
    preface: `
# 6.2.0 and 6.2.2 were run with this configuration, before client ids and retained messages were in it: they stayed
# closed. "Seen on 5.10.4" is what was looked at more closely there.`,
    failedAction: `
  # While dockhook is away, connect, subscribe and publish are refused (seen on 5.10.4). EMQX remembers what
  # client.authorize allowed, so a request may still pass: unanswered and unchanged.`,
    reconnect: `
  # EMQX has no hooks before its first successful OnProviderLoaded, and asks for them this often; after an outage too
  # (seen with the ExHook manager of 6.0.3: back within 5 s. The default is a minute).`,
    authenticator: `
# An authenticator without users. It runs before dockhook and says "not authorized". dockhook answers later, and its
# yes counts (seen on 5.10.4). While EMQX has no hooks, the no stands. Without this block EMQX lets everybody in while
# dockhook is absent from the start, and when dockhook answers "ignore" (seen on 5.10.4, and seen closed with it; read
# for 6).
# 6.0.0 to 6.0.2, 6.1.0 and 6.1.1 have the fault that makes 5.10.4 drop all hooks at the second long outage
# (emqx/emqx#16890; seen gone with the ExHook manager of 6.0.3).
# From 6.2.2 on, EMQX_SECURITY_PROFILE=hardened in EMQX's environment does the same once more (read).
# Keep it empty: a user that it knows gets in, and EMQX does not ask dockhook (seen on 5.10.4).`,
    noMatch: '# Without hooks nobody publishes or subscribes (seen on 5.10.4). Here the default too (read).',
    retained: FLAG_TAKEN_AWAY,
    listeners: `# Addresses are written out: from 6.3.0 on, the hardened profile binds a bare port to loopback only (EMQX
# documentation, "Listener Configuration").
${ENABLE_AUTHN}`,
    webSocket: '# On by default in EMQX, and no dock uses them.',
  },
};

/**
 * `authorization.cache.max_size`: three topics of each of 10,000 docks. Twice as many could take more memory than EMQX lets
 * a session have.
 */
export const AUTHORIZATION_CACHE = 32_768;

/** The configuration as HOCON, to be appended to `emqx.conf`. */
export function configuration({ line, version, server, listeners, files }: ConfigurationOptions): string {
  const texts = TEXTS[line];
  return `# dockhook for EMQX ${texts.title}. Append this to emqx.conf, then restart the node. A value that stands later in
# the file replaces an earlier one; a list is replaced as a whole, so keep other ExHook servers by adding them here.
#
# Use emqx.conf and not base.hocon: then a restart undoes what the dashboard changed, and EMQX is always closed after it
# (EMQX documentation, "Listener Configuration").
#
# "Seen" is what a running EMQX did; "read" is what its source says. deploy/emqx/README.md of dockhook says what stays
# open.${texts.preface ?? ''}

exhook.servers = [{
  name = ${quoted(server.name)}${server.ssl ? TLS_NOTE : '\n  # Beyond loopback: https, and the ssl block of exhook-tls.conf.'}
  url = ${quoted(server.url)}
  # Whole seconds: EMQX cuts 1.5s down to 1s (seen on 5.8.9). dockhook answers within 2 s.
  request_timeout = ${quoted(server.request_timeout)}${texts.failedAction}
  failed_action = ${server.failed_action}${texts.reconnect}
  auto_reconnect = ${quoted(server.auto_reconnect)}
  # Connections per node (the default). Calls of one client use one connection, in order.
  pool_size = ${server.pool_size}${server.ssl ? sslBlock(server.ssl) : ''}
}]
${texts.authenticator}
authentication = [{
  mechanism = password_based
  backend = built_in_database
  user_id_type = username
}]

authorization {
  # EMQX's own acl.conf ends in "allow all", and then dockhook is never asked (seen on 5.8.9).
  sources = []
  ${texts.noMatch}
  no_match = deny
  # The default. With disconnect, a dock would lose its session for one topic that a new firmware tries.
  deny_action = ignore
  # EMQX asks dockhook once a minute for each client and topic, and not for each message.
  cache {
    enable = true
    # Topics for each client. One that uses more in a minute, in turn, costs a call for each message, since the oldest
    # answer makes room (seen on 5.8.9 with the default of 32: 18,309 calls for 18,000 messages of a backend; 408 with
    # 4096). This is enough for a backend that uses three topics of each of 10,000 docks. A topic takes some 400 bytes,
    # and only in the session that uses it (seen on 5.8.9: 23 MB at most when full). EMQX ends a session
    # beyond 32 MB (force_shutdown), so do not double it: let a larger fleet have several backends.
    max_size = ${AUTHORIZATION_CACHE}
    # The default. A connected client keeps for this long what dockhook takes back.
    ttl = "1m"
  }
}

# EMQX keeps a message with the retain flag before it asks dockhook, and gives it to each later subscriber. A request
# has the device binding code in it (seen on 5.8.9 and 6.2.2). docs/emqx.md of dockhook, "Retained requests", has the
# other ways.
${texts.retained}

mqtt {
  # With true, a dock that speaks MQTT 3.1.1 would not get the replies to its own requests (read).
  ignore_loop_deliver = false
  # Anything else replaces the account's name with the certificate's (read). \`account add --cert-cn\` compares the
  # certificate in addition to account and password.
  peer_cert_as_username = disabled
  peer_cert_as_clientid = disabled${version && !overridesClientId(version) ? '' : clientIdOverride(line)}
}

${[
  texts.closed ? `${texts.listeners}\n${opener(listeners)}` : texts.listeners,
  listeners.has('tcp') ? tcp(texts) : off('tcp'),
  listeners.has('tls') ? tls(files, texts) : off('ssl'),
  ...(listeners.has('client-certificate') ? [clientCertificate(files, texts)] : []),
  `${texts.webSocket}
listeners.ws.default.enable = false
listeners.wss.default.enable = false`,
].join('\n\n')}
`;
}

function clientIdOverride(line: Line): string {
  const since =
    line === '5.1-5.8'
      ? '\n  # EMQX has this from 5.8.3 on. An older one does not start with it: take it out there.'
      : '';
  return `
  # The account becomes part of every client id ("dock-north${CLIENT_ID_SEPARATOR}7CTDTEST00000A"), so that no account ends or takes over
  # a session of another. Without it, a dock account that comes with the client id of a backend gets the backend's
  # session, subscriptions and messages (seen on 5.8.9 and 6.2.2). dockhook separates the two again.${since}
  clientid_override = ${quoted(CLIENT_ID_OVERRIDE)}`;
}

const TLS_NOTE = `
  # The host name stands in dockhook's certificate, as it is written here.`;

function sslBlock(ssl: NonNullable<ProviderSettings['ssl']>): string {
  return `
  # EMQX shows its certificate in all versions. It verifies dockhook's from 5.8.8, 5.9.2 and 5.10.1 on, and in 6;
  # older ones cannot be told to (read; emqx/emqx#15677): upgrade, or trust the network between them.
  ssl {
    enable = true
    # The CA of dockhook's certificate.
    cacertfile = ${quoted(ssl.cacertfile)}
    # What dockhook asks for: signed by the CA in DOCKHOOK_GRPC_TLS_CLIENT_CA.
    certfile = ${quoted(ssl.certfile)}
    keyfile = ${quoted(ssl.keyfile)}
    # The default is verify_none: any server that holds this address would be taken for dockhook.
    verify = ${ssl.verify}
    server_name_indication = ${quoted(ssl.server_name_indication)}
  }`;
}

/** The setting with which `serve` opens what this configuration closes. */
function opener(listeners: ReadonlySet<ListenerName>): string {
  return `#\n# For dockhook serve: DOCKHOOK_EMQX_LISTENERS=${listenerIds(listeners).join(',')}`;
}

/** EMQX's ids of listeners, in our order. */
export function listenerIds(listeners: ReadonlySet<ListenerName>): string[] {
  return LISTENERS.filter((name) => listeners.has(name)).map((name) => LISTENER_IDS[name]);
}

/** What keeps a listener closed at boot, where that is needed. */
function switchOf({ closed }: LineTexts): string {
  return closed ? '\n  enable = false' : '';
}

function tcp(texts: LineTexts): string {
  return `# Passwords travel in the clear here: only for a network that is yours from the dock to the broker.
listeners.tcp.default {
  bind = "0.0.0.0:1883"${switchOf(texts)}
  enable_authn = true
}`;
}

function tls({ cert, key }: BrokerFiles, texts: LineTexts): string {
  return `# DJI's default: the dock verifies the broker, the broker does not verify the dock.
listeners.ssl.default {
  bind = "0.0.0.0:8883"${switchOf(texts)}
  enable_authn = true
  ssl_options {
    # Certificate and chain. EMQX comes with a pair of its own for tests, whose private key the whole world has.
    certfile = ${quoted(cert)}
    keyfile = ${quoted(key)}
    versions = ["tlsv1.3", "tlsv1.2"]
    verify = verify_none
    fail_if_no_peer_cert = false
  }
}`;
}

function clientCertificate({ cert, key, docksCa }: BrokerFiles, texts: LineTexts): string {
  return `# The dock's certificate verified too (DJI's "clientAuth"). Only from here does dockhook learn a common name that can
# be trusted (seen on ${texts.seen}; verify_none asks for no certificate).
listeners.ssl.client_certificate {
  bind = "0.0.0.0:8884"${switchOf(texts)}
  enable_authn = true
  ssl_options {
    # Certificate and chain of the broker.
    certfile = ${quoted(cert)}
    keyfile = ${quoted(key)}
    # The CA of the docks, and never that of exhook.servers: what it signs would open dockhook's port.
    cacertfile = ${quoted(docksCa)}
    versions = ["tlsv1.3", "tlsv1.2"]
    verify = verify_peer
    # Only with verify_peer; without it a dock that shows no certificate gets as far as its password.
    fail_if_no_peer_cert = true
  }
}`;
}

function off(type: 'tcp' | 'ssl'): string {
  return `# On by default in EMQX, and not wanted.
listeners.${type}.default.enable = false`;
}

/** HOCON quotes as JSON does. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
