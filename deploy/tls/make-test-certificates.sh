#!/usr/bin/env bash
# Certificates to try dockhook with. Two CAs, because what the first signs opens dockhook's gRPC port and what the
# second signs is a dock:
#
#   DIR/grpc/  ca, dockhook (its gRPC port), emqx (EMQX as dockhook's client)
#   DIR/mqtt/  ca, broker (the MQTT listener), dock-SN (one per SN; its common name is the SN)
#
# each as NAME.pem and NAME.key. Run it again with more SNs to add docks. Nothing that exists is written over.
set -euo pipefail

readonly DAYS=365

usage() {
  cat >&2 <<'USAGE'
usage: make-test-certificates.sh DIR [--host NAME_OR_IP]... [SN]...
  --host   a name or address of both servers, beside localhost, 127.0.0.1 and ::1
  SN       serial number of a dock that gets a certificate
USAGE
  exit 2
}

fail() {
  echo "make-test-certificates.sh: $*" >&2
  exit 1
}

# Whether a pair has still to be made. Half a pair is an error: the other half cannot be guessed.
missing() { # NAME
  if [[ -e $1.pem && -e $1.key ]]; then
    echo "kept $1.pem"
    return 1
  fi
  [[ ! -e $1.pem && ! -e $1.key ]] || fail "$1 has only one of .pem and .key: remove it to have both made anew"
}

# Made aside, and moved to its name by keep() when it is whole.
new_key() { # NAME
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/key"
  chmod 600 "$work/key"
  mkdir -p "$(dirname "$1")"
}

keep() { # NAME
  chmod 644 "$work/pem"
  mv "$work/key" "$1.key"
  mv "$work/pem" "$1.pem"
  echo "made $1.pem"
}

# A kept certificate without a name that is asked for now would be refused by whoever uses that name.
has_names() { # NAME
  local host check
  for host in ${hosts[@]+"${hosts[@]}"}; do
    if is_address "$host"; then check=-checkip; else check=-checkhost; fi
    # Its exit code says nothing before OpenSSL 3.2.
    [[ $(openssl x509 -in "$1.pem" -noout "$check" "$host") == *' does match certificate' ]] ||
      fail "$1.pem is not for $host: remove it and $1.key to have both made anew, and name every --host again"
  done
}

is_address() { # HOST
  [[ $1 =~ ^[0-9.]+$ || $1 == *:* ]]
}

make_ca() { # NAME COMMON_NAME
  missing "$1" || return 0
  new_key "$1"
  openssl req -x509 -new -sha256 -key "$work/key" -days "$DAYS" -subj "/CN=$2" -out "$work/pem" -config - <<'CONF'
[req]
distinguished_name = name
x509_extensions = ca
[name]
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
CONF
  keep "$1"
}

sign() { # NAME CA COMMON_NAME PURPOSE [SUBJECT_ALTERNATIVE_NAMES]
  if ! missing "$1"; then
    openssl verify -CAfile "$2.pem" "$1.pem" >/dev/null 2>&1 ||
      fail "$1.pem has expired or is not signed by $2.pem: remove it and $1.key to have both made anew"
    [[ -z ${5:-} ]] || has_names "$1"
    return 0
  fi
  new_key "$1"
  {
    echo 'basicConstraints = critical, CA:FALSE'
    echo 'keyUsage = critical, digitalSignature'
    echo "extendedKeyUsage = $4"
    [[ -z ${5:-} ]] || echo "subjectAltName = $5"
  } >"$work/extensions"
  openssl req -new -sha256 -key "$work/key" -subj "/CN=$3" -out "$work/request"
  openssl x509 -req -sha256 -in "$work/request" -CA "$2.pem" -CAkey "$2.key" -set_serial "0x$(openssl rand -hex 16)" \
    -days "$DAYS" -extfile "$work/extensions" -out "$work/pem" 2>"$work/log" || fail "$(<"$work/log")"
  keep "$1"
}

[[ $# -gt 0 && $1 != -* ]] || usage
readonly dir=$1
shift

names='DNS:localhost, IP:127.0.0.1, IP:::1'
hosts=()
sns=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --host)
      [[ $# -ge 2 ]] || usage
      [[ $2 =~ ^[A-Za-z0-9.:-]+$ ]] || fail "\"$2\" is neither a host name nor an address"
      if is_address "$2"; then names+=", IP:$2"; else names+=", DNS:$2"; fi
      hosts+=("$2")
      shift 2
      ;;
    *)
      [[ $1 =~ ^[A-Za-z0-9]{1,64}$ ]] || fail "\"$1\" is not a serial number: letters and digits, at most 64"
      sns+=("$1")
      shift
      ;;
  esac
done

command -v openssl >/dev/null || fail 'openssl is needed'
umask 077
mkdir -p "$dir"
# Beside the result, so that a move is a rename.
work=$(mktemp -d "$dir/.work-XXXXXX")
readonly work
trap 'rm -rf "$work"' EXIT

make_ca "$dir/grpc/ca" 'dockhook test CA, gRPC'
sign "$dir/grpc/dockhook" "$dir/grpc/ca" dockhook serverAuth "$names"
sign "$dir/grpc/emqx" "$dir/grpc/ca" emqx clientAuth
make_ca "$dir/mqtt/ca" 'dockhook test CA, MQTT'
sign "$dir/mqtt/broker" "$dir/mqtt/ca" broker serverAuth "$names"
for sn in ${sns[@]+"${sns[@]}"}; do
  sign "$dir/mqtt/dock-$sn" "$dir/mqtt/ca" "$sn" clientAuth
done
