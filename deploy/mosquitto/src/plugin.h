/**
 * One `plugin` line of mosquitto.conf: what it does on each of the broker's events. Each decision is made elsewhere;
 * here they meet the broker's connections.
 */
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "authentication.h"
#include "authorization.h"
#include "broker.h"
#include "client.h"
#include "exhook.h"
#include "inbox.h"
#include "log.h"
#include "options.h"
#include "outbox.h"
#include "bounded_wait.h"
#include "provider.h"

namespace dockhook {

/**
 * Where a message goes that nobody may get: no client can subscribe to it and be sent it (see `on_acl_check`). Written
 * over the topic in its place, for who frees a topic that was replaced changed in Mosquitto 2.0.15; one character, for
 * any topic has room for it. The other way to suppress a message, MOSQ_ERR_ACL_DENIED, is an error to an MQTT 5 client
 * whose request is answered.
 */
constexpr char NOWHERE[] = "$";

inline void send_nowhere(char* topic) {
  topic[0] = NOWHERE[0];
  topic[1] = '\0';
}

/**
 * On topics that the server asks for: a request that the broker kept would be handed to whoever subscribes later, with
 * its binding code, and be answered again. An empty message deletes what was kept.
 */
template <typename Event>
bool may_be_retained(const Event& event) {
  return event.retain && event.payloadlen == 0;
}

/**
 * A request must not go on unasked: a backend could answer it, and bind the device. What gateways report goes on when too much
 * waits, for it is acknowledged and would reach nobody.
 */
inline bool is_request(const std::string& topic) {
  static const std::string end = "/requests";
  return topic.size() >= end.size() && topic.compare(topic.size() - end.size(), end.size(), end) == 0;
}

/** @param event about a message */
template <typename Event>
Message message_of(const ClientPtr& client, const Event& event) {
  Message message;
  message.client = client;
  message.topic = event.topic;
  message.payload.assign(static_cast<const char*>(event.payload), event.payloadlen);
  message.qos = event.qos;
  message.retain = may_be_retained(event);
  return message;
}

/** One connection that was let in. */
struct Session {
  ClientPtr client;
  Credentials credentials;
  bool ours = true;
};

class Plugin {
 public:
  Plugin(mosquitto_plugin_id_t* identifier, const Options& options)
      : identifier_(identifier),
        exhook_(options),
        provider_(exhook_, inbox_, options),
        wait_(inbox_, options.auth_wait),
        authentication_(exhook_, provider_, wait_, options.cache),
        authorization_(exhook_, provider_, wait_, options),
        outbox_(exhook_, provider_, authorization_, inbox_, options) {
    if (!options.tls && !is_loopback(options.target)) {
      log_warning("passwords go to " + options.target + " in plain text; use https:// beyond this machine");
    }
  }

  ~Plugin();

  /** @return Mosquitto's error code */
  int subscribe();

  /** The last words to the server; then nothing of it is under way. */
  void end() {
    const bool serving = provider_.serving();
    exhook_.break_off();
    if (serving) exhook_.unload();
  }

  int on_tick() {
    has_ticked_ = true;
    reloading_ = false;
    newest_ = nullptr;
    for (const auto& client : std::exchange(arrived_, {})) outbox_.connected(client);
    inbox_.run();
    return MOSQ_ERR_SUCCESS;
  }

  /** SIGHUP: the broker now asks about every session it has, connected or not, until the next tick. */
  int on_reload() {
    reloading_ = true;
    provider_.look_at_files();
    // 2.0 tells no other plugin after any other answer, 2.1 ends at any other answer.
    return is_2_1_ ? MOSQ_ERR_SUCCESS : MOSQ_ERR_PLUGIN_DEFER;
  }

  int on_basic_auth(const mosquitto_evt_basic_auth& event) {
    if (!has_ticked_) {
      // Else it has only just started.
      if (std::chrono::steady_clock::now() - started_ > std::chrono::seconds(1)) {
        no_tick_.warn(
            "every client is refused: this broker gives plugins no time slices with per_listener_settings true "
            "(Mosquitto before 2.0.15). Set per_listener_settings false");
      }
      return MOSQ_ERR_AUTH;
    }
    const auto session = sessions_.find(event.client);
    if (reloading_) {
      // Who is in stays in, as in EMQX.
      if (session != sessions_.end()) return session->second.ours ? MOSQ_ERR_SUCCESS : MOSQ_ERR_PLUGIN_DEFER;
      // A session that is kept without a connection: its client proves itself when it comes. Only over WebSocket can a
      // newcomer be served between the reload and the next tick (2.0.11, source).
      if (mosquitto_client_protocol(event.client) != mp_websockets) return MOSQ_ERR_SUCCESS;
    }
    const ClientPtr client = read_client(event.client);
    const std::string password = event.password == nullptr ? "" : event.password;
    const Credentials credentials = authentication_.credentials(*client, password);
    const Verdict verdict = authentication_.check(*client, password, credentials);
    if (verdict != Verdict::yes && verdict != Verdict::not_ours) return MOSQ_ERR_AUTH;
    const bool ours = verdict == Verdict::yes;
    newest_ = client;
    sessions_[event.client] = Session{client, credentials, ours};
    authorization_.connected(client, ours);
    if (!ours) return MOSQ_ERR_PLUGIN_DEFER;
    authentication_.connected(credentials);
    // Told in the next tick: if this client takes a session over, the broker first ends the old connection.
    arrived_.push_back(client);
    took_over_ = mosquitto_client_clean_session(event.client) ? "discarded" : "takenover";
    return MOSQ_ERR_SUCCESS;
  }

  int on_disconnect(const mosquitto_evt_disconnect& event) {
    // Mosquitto 2.1.3 asks about the last will before this, when the connection cannot be told from one that stands.
    if (unasked_ && unasked_->client == client_of(event.client)) outbox_.publish(*std::exchange(unasked_, {}), false);
    const auto entry = sessions_.find(event.client);
    // Also told of connections that never logged in.
    if (entry == sessions_.end()) return MOSQ_ERR_SUCCESS;
    const Session session = std::move(entry->second);
    sessions_.erase(entry);
    // Mosquitto 2.0 does not say how long an MQTT 5 client's session lasts.
    const bool session_ends = mosquitto_client_protocol_version(event.client) < 5 &&
                              mosquitto_client_clean_session(event.client);
    authorization_.disconnected(*session.client, session_ends);
    if (!session.ours) return MOSQ_ERR_SUCCESS;
    authentication_.disconnected(session.credentials);
    std::string reason = why_ended(event.reason);
    for (std::size_t i = 0; i < arrived_.size(); i += 1) {
      if (arrived_[i] == session.client) {
        outbox_.connected(session.client);
        arrived_.erase(arrived_.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      }
      if (arrived_[i]->id == session.client->id) reason = took_over_;
    }
    outbox_.disconnected(session.client, reason);
    return MOSQ_ERR_SUCCESS;
  }

  int on_acl_check(const mosquitto_evt_acl_check& event) {
    const std::string topic = event.topic;
    const ClientPtr client = client_of(event.client);
    switch (event.access) {
      case MOSQ_ACL_READ:
        if (topic == NOWHERE) return MOSQ_ERR_ACL_DENIED;
        return acl_answer(authorization_.may_receive(client, topic));
      case MOSQ_ACL_WRITE:
        unasked_.reset();
        if (!is_publish(event.client) || !outbox_.wants(client->id, topic) ||
            authorization_.knows_whether_may_publish(client, topic)) {
          return acl_answer(authorization_.may_publish(client, topic));
        }
        // A message that goes to the server anyway is asked about there, without the broker waiting. Taken here, for it
        // may be a last will: those of connected clients are published when the broker ends, and not shown to us.
        unasked_ = message_of(client, event);
        send_nowhere(const_cast<char*>(event.topic));
        return MOSQ_ERR_SUCCESS;
      case MOSQ_ACL_SUBSCRIBE: {
        const Verdict verdict = authorization_.may_subscribe(client, topic);
        // A SUBACK that refuses would leave a dock deaf until somebody restarts it; one that is cut off comes again.
        return verdict == Verdict::failed ? MOSQ_ERR_UNKNOWN : acl_answer(verdict);
      }
      case MOSQ_ACL_UNSUBSCRIBE:
        authorization_.unsubscribed(client, topic);
        return MOSQ_ERR_SUCCESS;
      default:
        return MOSQ_ERR_ACL_DENIED;
    }
  }

  int on_message(mosquitto_evt_message& event) {
    const ClientPtr client = client_of(event.client);
    std::optional<Message> message = std::exchange(unasked_, std::nullopt);
    const bool authorized = !message || message->client != client;
    if (authorized) {
      if (!outbox_.wants(client->id, event.topic)) {
        if (outbox_.is_asked_for(event.topic)) event.retain = may_be_retained(event);
        return MOSQ_ERR_SUCCESS;
      }
      message = message_of(client, event);
    }
    if (!outbox_.publish(std::move(*message), authorized)) {
      if (!authorized || is_request(event.topic)) return MOSQ_ERR_ACL_DENIED;
      event.retain = may_be_retained(event);
      return MOSQ_ERR_SUCCESS;
    }
    send_nowhere(event.topic);
    event.retain = false;
    return MOSQ_ERR_SUCCESS;
  }

 private:
  ClientPtr client_of(const mosquitto* connection) const {
    const auto session = sessions_.find(connection);
    return session == sessions_.end() ? read_client(connection) : session->second.client;
  }

  /**
   * Whether the broker, which asks if this connection may publish, has a message of it in hand that it will show us
   * next. If not, it is a last will, which it will not: of a connection that is gone, or being taken over. Of one that
   * stands, a will is published only when the broker ends; that cannot be told.
   */
  bool is_publish(const mosquitto* connection) const {
    const auto session = sessions_.find(connection);
    if (session == sessions_.end()) return false;
    const ClientPtr& client = session->second.client;
    return newest_ == nullptr || newest_->id != client->id || newest_ == client;
  }

  static int acl_answer(Verdict verdict) {
    if (verdict == Verdict::yes) return MOSQ_ERR_SUCCESS;
    return verdict == Verdict::not_ours ? MOSQ_ERR_PLUGIN_DEFER : MOSQ_ERR_ACL_DENIED;
  }

  mosquitto_plugin_id_t* const identifier_;
  Inbox inbox_;
  Exhook exhook_;
  Provider provider_;
  BoundedWait wait_;
  Authentication authentication_;
  Authorization authorization_;
  Outbox outbox_;
  std::unordered_map<const mosquitto*, Session> sessions_;
  /** Let in since the last tick. */
  std::vector<ClientPtr> arrived_;
  const char* took_over_ = "";
  /** The last that logged in since the last tick. */
  ClientPtr newest_;
  /** The message that the broker shows us next, which may not be published unless the server says so. */
  std::optional<Message> unasked_;
  /** It is Mosquitto 2.1 or later. */
  bool is_2_1_ = false;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  bool has_ticked_ = false;
  bool reloading_ = false;
  Seldom no_tick_{std::chrono::seconds(10)};
};

}  // namespace dockhook
