/** What each log line means that is not about one dock. A test holds the names against src/. */

export const LOG_LINES: Readonly<Record<string, string>> = {
  // Start and end
  listening: 'The ports are open. Until `ready`, every client is refused.',
  ready: 'The database was reached, and docks are served. It names the addresses.',
  embedded_database: 'No PostgreSQL is set: dockhook uses the embedded database.',
  unknown_accounts_ignored:
    '`DOCKHOOK_UNKNOWN_ACCOUNTS=ignore` is set, and what that means for your version of EMQX.',
  stopping: 'A signal came. Calls in flight are still answered.',
  stopped: 'dockhook has ended cleanly.',
  uncaught_exception: 'A bug in dockhook. The process ends with code 1.',
  unhandled_rejection: 'A bug in dockhook. The process goes on.',
  node_warning: 'A warning of Node.js.',
  // The broker
  broker_connected: 'A node of the broker has loaded dockhook and asks from now on.',
  emqx_hooks_outdated:
    'A node of EMQX calls `client.connected`, since it has the hooks of an earlier dockhook. Each dock waits for that call when it connects: `dockhook emqx register`.',
  connection_refused:
    'A connection to the gRPC port ended before its first call. `reason` and `detail` say why and what to do. The first in a minute from one address is a warning, the others are logged at `debug`.',
  certificates_reloaded: 'Renewed TLS files of the gRPC port are in use.',
  certificates_not_reloaded: 'Renewed TLS files cannot be used. The old ones stay in use.',
  hook_failed:
    'A hook failed or took more than 2 s. A connect, subscribe or publish was refused; a request went on to your backend. Of each hook, ten lines at once and then one a second; the metrics count all.',
  // The database
  store_unavailable:
    'At the start: PostgreSQL cannot be reached yet. dockhook tries once a second and logs once a minute.',
  bad_row: 'At the start: PostgreSQL answers with a row that cannot be read.',
  database_away: 'PostgreSQL does not answer. Nobody new gets in; connected docks go on.',
  database_back: 'PostgreSQL answers again.',
  database_refuses:
    'PostgreSQL answers with an error. Nothing was changed. At most one line a minute for each error.',
  database_unsound:
    'A setting of PostgreSQL makes answers wrong or late. `detail` has the SQL that corrects it.',
  database_connection_lost: 'A connection to PostgreSQL has ended. Another one takes its place.',
  database_url_reloaded:
    'The file of `DATABASE_URL_FILE`, or a TLS file that the URL names, has changed and is in use.',
  database_url_not_reloaded: 'The changed file cannot be used. The old URL stays in use.',
  changes_heard: 'dockhook answers from memory, because PostgreSQL announces each change.',
  changes_not_heard:
    'dockhook reads from PostgreSQL for each call: slower, but as correct. `detail` says why.',
  license_not_loaded: 'The license could not be read at the start. The first `config` request reads it.',
  timeline_not_written:
    'The database is slow, away or refuses entries of the access timeline: they wait in memory. Or dockhook ended before they could be written.',
  // EMQX over its REST API
  emqx_listeners_closed:
    'Listeners of `DOCKHOOK_EMQX_LISTENERS` are closed. `detail` says what dockhook waits for.',
  emqx_listener_opened: 'dockhook has opened a listener.',
  emqx_listeners_open: 'All listeners of `DOCKHOOK_EMQX_LISTENERS` are open.',
  emqx_listeners_stopped:
    'Somebody has stopped a listener. It stays closed until EMQX or dockhook starts again, or `dockhook emqx open`.',
  emqx_not_reached: "EMQX's REST API does not answer, or refuses the key.",
  emqx_unguarded:
    'EMQX up to 5.8 asks dockhook, and `DOCKHOOK_EMQX_LISTENERS` names no listener: strangers may get in while EMQX starts.',
  emqx_open_before_hooks: 'EMQX runs a listener and does not ask dockhook yet: strangers may get in.',
  emqx_listener_was_open: 'A listener was open before EMQX asked dockhook.',
  emqx_early_clients_disconnected: 'Clients that connected before EMQX asked dockhook were disconnected.',
  emqx_early_clients_not_sought:
    'Clients may have connected before EMQX asked dockhook, and dockhook cannot tell which.',
  // The log itself
  log_limited:
    'One account causes too many log lines. Those beyond the limit are logged at `debug` only. This line appears once a minute for each account.',
  log_lines_lost: 'Nobody read the log, and `count` lines were lost here.',
  event_lost: 'A bug in dockhook: one event was not logged or counted.',
};
