-- Tells a backend of each bind, move and removal, on the channel dockhook_bindings: see docs/backend.md. Nothing is told
-- before somebody runs this file, because whoever may connect to the database may listen (and send). Run it after schema.sql,
-- as the owner of the tables or a superuser, and again after each upgrade: once more does no harm. The tables are in schema
-- public, or in the one that dockhook.schema names, see schema.sql. To end it: DROP FUNCTION dockhook_notify_binding() CASCADE.

BEGIN;
-- Binds would wait behind a statement that waits for its lock.
SET LOCAL lock_timeout = '2s';
DO $$ BEGIN
  PERFORM set_config('search_path', format('%I, pg_temp', coalesce(nullif(current_setting('dockhook.schema', true), ''), 'public')), true);
END $$;

-- Of a transaction that changes more than 1,000 rows, and of what does not fit into a notification (8,000 bytes), it only tells
-- that everything may have changed. The rows are counted under the number of the transaction, so that no setting from
-- elsewhere keeps it silent. Its search_path keeps out functions and operators of others.
CREATE OR REPLACE FUNCTION dockhook_notify_binding() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  channel CONSTANT text := 'dockhook_bindings';
  everything CONSTANT text := '{"schema":%s,"everything":true}';
  setting text := 'dockhook.notified_' || TG_RELID;
  counted text[] := string_to_array(current_setting(setting, true), ' ');
  told integer := 0;
  change text := CASE TG_OP WHEN 'INSERT' THEN 'bound' WHEN 'DELETE' THEN 'removed' ELSE 'updated' END;
  binding jsonb;
  moved_from text;
  payload text;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify(channel, format(everything, to_json(TG_TABLE_SCHEMA)));
    RETURN NULL;
  END IF;
  IF OLD.key <> NEW.key THEN
    PERFORM pg_notify(channel, format(everything, to_json(TG_TABLE_SCHEMA)));
    RETURN NULL;
  END IF;
  IF OLD.value = NEW.value THEN RETURN NULL; END IF;
  IF counted[1] = txid_current()::text THEN told := counted[2]::integer; END IF;
  IF told > 1000 THEN RETURN NULL; END IF;
  told := told + 1;
  PERFORM set_config(setting, txid_current() || ' ' || told, true);
  IF OLD.organization_id <> NEW.organization_id THEN
    change := 'moved';
    moved_from := OLD.organization_id;
  END IF;
  binding := coalesce(NEW.value, OLD.value)::jsonb -> 'value';
  -- The fields of a binding as dockhook prints them, each by name: none that is added later goes out by itself.
  payload := json_strip_nulls(json_build_object('schema', TG_TABLE_SCHEMA, 'change', change, 'sn', coalesce(NEW.key, OLD.key),
    'organizationId', binding ->> 'organizationId', 'previousOrganizationId', moved_from,
    'callsign', binding ->> 'callsign', 'modelKey', binding ->> 'modelKey', 'gateway', binding ->> 'gateway',
    'account', binding ->> 'account', 'boundAt', binding ->> 'boundAt',
    'at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
  IF told > 1000 OR octet_length(payload) >= 8000 THEN payload := format(everything, to_json(TG_TABLE_SCHEMA)); END IF;
  PERFORM pg_notify(channel, payload);
  RETURN NULL;
END $function$;

-- CREATE OR REPLACE leaves a function to whoever made one of that name before. Its owner decides what it does, with the rights of
-- everybody who binds. A role that may not take it over is refused here or above; a superuser may.
DO $$ BEGIN
  EXECUTE format('ALTER FUNCTION dockhook_notify_binding() OWNER TO %s',
    (SELECT relowner::regrole FROM pg_class WHERE oid = 'dockhook_bindings'::regclass));
END $$;

-- ALWAYS and FOR EACH ROW: a subscriber of logical replication runs no other triggers.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'dockhook_bindings'::regclass AND tgname = 'dockhook_notify_binding') THEN
    CREATE TRIGGER dockhook_notify_binding AFTER INSERT OR UPDATE OR DELETE ON dockhook_bindings
      FOR EACH ROW EXECUTE FUNCTION dockhook_notify_binding();
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'dockhook_bindings'::regclass AND tgname = 'dockhook_notify_emptied') THEN
    CREATE TRIGGER dockhook_notify_emptied AFTER TRUNCATE ON dockhook_bindings
      FOR EACH STATEMENT EXECUTE FUNCTION dockhook_notify_binding();
  END IF;
END $$;
ALTER TABLE dockhook_bindings ENABLE ALWAYS TRIGGER dockhook_notify_binding, ENABLE ALWAYS TRIGGER dockhook_notify_emptied;
COMMIT;
