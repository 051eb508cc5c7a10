#!/usr/bin/env bash
# Makes what compose.yaml mounts: passwords, certificates to try it with, and EMQX's configuration.
#
#   DIR/secrets/       passwords and keys, made once and kept; and what is composed of them
#   DIR/certificates/  what deploy/tls/make-test-certificates.sh makes; the CAs' keys are here and nowhere else
#   DIR/dockhook/      what the container dockhook sees
#   DIR/emqx/          what the container emqx sees
#
# Run it again to add docks, or after certificates were put into DIR/certificates: what is composed or copied is made
# anew, what is secret stays.
#
# DIR is for you alone (0700). Files within can be read by all, for the containers run as users that this machine does
# not know.
set -euo pipefail

usage() {
  cat >&2 <<'USAGE'
usage: prepare.sh DIR [--host NAME_OR_IP]... [SN]...
  --host   a name or address that docks use for the broker, beside localhost
  SN       serial number of a dock that gets a certificate
USAGE
  exit 2
}

[[ $# -gt 0 && $1 != -* ]] || usage
readonly dir=$1
shift
deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly deploy

umask 077
mkdir -p "$dir/secrets"
chmod 700 "$dir" "$dir/secrets"
# First, since it checks the arguments.
"$deploy/tls/make-test-certificates.sh" "$dir/certificates" --host dockhook "$@"

# From stdin; put in place at one stroke, for a running container may be reading.
put() { # FILE
  mkdir -p "$(dirname "$1")"
  cat >"$1.new"
  chmod 444 "$1.new"
  mv "$1.new" "$1"
}

secret() { # NAME
  local file=$dir/secrets/$1
  [[ -s $file ]] || put "$file" < <(openssl rand -hex 24)
}

for name in postgres-password database-password emqx-api-key emqx-api-secret emqx-dashboard-password emqx-cookie; do
  secret "$name"
done
readonly secrets=$dir/secrets
put "$secrets/database-url" <<<"postgres://dockhook:$(<"$secrets/database-password")@postgres:5432/dockhook"
# The role is administrator unless one is named (emqx_mgmt_auth).
put "$secrets/emqx-bootstrap-api-keys" <<<"$(<"$secrets/emqx-api-key"):$(<"$secrets/emqx-api-secret")"

readonly made=$dir/certificates
put "$dir/dockhook/certs/grpc-ca.pem" <"$made/grpc/ca.pem"
put "$dir/dockhook/certs/dockhook.pem" <"$made/grpc/dockhook.pem"
put "$dir/dockhook/certs/dockhook.key" <"$made/grpc/dockhook.key"
put "$dir/emqx/certs/grpc-ca.pem" <"$made/grpc/ca.pem"
put "$dir/emqx/certs/emqx.pem" <"$made/grpc/emqx.pem"
put "$dir/emqx/certs/emqx.key" <"$made/grpc/emqx.key"
put "$dir/emqx/certs/docks-ca.pem" <"$made/mqtt/ca.pem"
put "$dir/emqx/certs/broker.pem" <"$made/mqtt/broker.pem"
put "$dir/emqx/certs/broker.key" <"$made/mqtt/broker.key"

put "$dir/emqx/emqx.conf" <<CONF
# Made by prepare.sh, for compose.yaml. It takes the place of the image's emqx.conf.
node {
  name = "emqx@emqx.internal"
  cookie = "$(<"$secrets/emqx-cookie")"
  data_dir = "data"
}
dashboard {
  listeners.http.bind = 18083
  default_password = "$(<"$secrets/emqx-dashboard-password")"
}
api_key.bootstrap_file = "/run/secrets/emqx-bootstrap-api-keys"

$(cat "$deploy/emqx/emqx-5.1-5.8.conf")

$(sed 's/dockhook\.example/dockhook/g' "$deploy/emqx/exhook-tls.conf")
CONF
chmod 755 "$dir/dockhook/certs" "$dir/emqx/certs"
echo "ready: docker compose -f $deploy/compose/compose.yaml up --build --detach --wait"
