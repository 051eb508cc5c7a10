/** Where versions of Mosquitto differ, for a plugin that is built against the headers of any. */
#pragma once

#include <mosquitto.h>
// From 2.1 on it has all of them.
#if LIBMOSQUITTO_VERSION_NUMBER < 2001000
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#endif

namespace dockhook {

/**
 * A client whose session is kept has gone: Mosquitto 2.1 then sends this in place of MOSQ_EVT_DISCONNECT, with the same
 * fields. Mosquitto 2.0 does not know it (and the plugin tells the two apart by that).
 */
constexpr int EVT_CLIENT_OFFLINE = 28;

/** @param reason of MOSQ_EVT_DISCONNECT: always -1 in Mosquitto 2.0 @return EMQX's word for it, as far as there is one */
inline const char* why_ended(int reason) {
  constexpr int ADMINISTRATIVE_ACTION = 152;
  switch (reason) {
    case MOSQ_ERR_SUCCESS:
      return "normal";
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_ERRNO:
      return "tcp_closed";
    case MOSQ_ERR_KEEPALIVE:
      return "keepalive_timeout";
    case MOSQ_ERR_PROTOCOL:
    case MOSQ_ERR_MALFORMED_PACKET:
      return "protocol_error";
    case MOSQ_ERR_AUTH:
    case ADMINISTRATIVE_ACTION:
      return "kicked";
    default:
      return "unknown";
  }
}

}  // namespace dockhook
