/** What the server is told and asked without anybody waiting. */
#include "outbox.h"

#include <algorithm>
#include <utility>

#include "broker.h"

namespace dockhook {
namespace {

constexpr std::size_t MAX_BYTES = 64 * 1024 * 1024;
/** What one username may have of all. */
constexpr std::size_t SHARE = 10;
constexpr std::size_t MAX_TOPIC = 65535;

bool matches(const std::string& filter, const std::string& topic) {
  bool result = false;
  return mosquitto_topic_matches_sub(filter.c_str(), topic.c_str(), &result) == MOSQ_ERR_SUCCESS && result;
}

/** The broker would route it wherever its wildcards match. */
bool is_publishable(const PublishAnswer& answer) {
  const auto& topic = answer.topic;
  return !topic.empty() && topic.size() <= MAX_TOPIC && topic.find('\0') == std::string::npos &&
         mosquitto_validate_utf8(topic.c_str(), static_cast<int>(topic.size())) == MOSQ_ERR_SUCCESS &&
         mosquitto_pub_topic_check(topic.c_str()) == MOSQ_ERR_SUCCESS && answer.qos <= 2;
}

}  // namespace

Outbox::Outbox(Exhook& exhook, Provider& provider, Authorization& authorization, Inbox& inbox, const Options& options)
    : exhook_(exhook),
      provider_(provider),
      authorization_(authorization),
      inbox_(inbox),
      most_per_client_(options.queue_per_client),
      most_{options.queue_total, MAX_BYTES, options.queue_total},
      most_per_username_{std::max<std::size_t>(1, most_.messages / SHARE), most_.bytes / SHARE,
                         std::max<std::size_t>(1, most_.news / SHARE)} {}

bool Outbox::is_asked_for(const std::string& topic) const {
  const auto hooks = provider_.hooks();
  // EMQX calls no message hook for $SYS.
  if (!hooks || !hooks->publish || topic.compare(0, 5, "$SYS/") == 0) return false;
  return hooks->topics.empty() || std::any_of(hooks->topics.begin(), hooks->topics.end(),
                                              [&](const auto& one) { return matches(one, topic); });
}

bool Outbox::wants(const std::string& client_id, const std::string& topic) const {
  // As in EMQX, a message passes if the server is away; but not before an earlier one of its client.
  return is_asked_for(topic) && (provider_.serving() || lines_.count(client_id) > 0);
}

bool Outbox::publish(Message message, bool authorized) {
  return add(Published{std::move(message), authorized});
}

void Outbox::connected(const ClientPtr& client) {
  const auto hooks = provider_.hooks();
  if (hooks && hooks->connected && provider_.serving()) add(Connected{client});
}

void Outbox::disconnected(const ClientPtr& client, const std::string& reason) {
  const auto hooks = provider_.hooks();
  if (hooks && hooks->disconnected && provider_.serving()) add(Disconnected{client, reason});
}

Outbox::Load Outbox::Load::operator+(const Load& more) const {
  return {messages + more.messages, bytes + more.bytes, news + more.news};
}

Outbox::Load Outbox::Load::operator-(const Load& less) const {
  return {messages - less.messages, bytes - less.bytes, news - less.news};
}

bool Outbox::Load::is_within(const Load& most) const {
  return messages <= most.messages && bytes <= most.bytes && news <= most.news;
}

const Client& Outbox::client_of(const Act& act) {
  if (const auto* published = std::get_if<Published>(&act)) return *published->message.client;
  if (const auto* connected = std::get_if<Connected>(&act)) return *connected->client;
  return *std::get<Disconnected>(act).client;
}

Outbox::Load Outbox::load_of(const Act& act) {
  const auto* published = std::get_if<Published>(&act);
  if (published == nullptr) return {0, 0, 1};
  return {1, published->message.topic.size() + published->message.payload.size(), 0};
}

bool Outbox::add(Act act) {
  const Client& client = client_of(act);
  const std::string client_id = client.id;
  const Load load = load_of(act);
  const auto line = lines_.find(client_id);
  const std::size_t before = line == lines_.end() ? 0 : line->second.size();
  const auto share = waiting_of_.find(client.username);
  const Load before_of_username = share == waiting_of_.end() ? Load{} : share->second;
  if ((load.messages > 0 && before >= most_per_client_) || !(waiting_ + load).is_within(most_) ||
      !(before_of_username + load).is_within(most_per_username_)) {
    too_many_.warn("too much waits for an answer (" + std::to_string(waiting_.messages) + " messages in all, " +
                   std::to_string(before_of_username.messages) + " of username " + client.username + ", " +
                   std::to_string(before) + " of client " + client_id + "): requests are refused, and what else comes goes on unasked, if it may");
    return false;
  }
  waiting_ = waiting_ + load;
  waiting_of_[client.username] = before_of_username + load;
  lines_[client_id].push_back(std::move(act));
  if (before == 0) start(client_id);
  return true;
}

/** Begins the call for the first act of a client. */
void Outbox::start(const std::string& client_id) {
  const Act& act = lines_.at(client_id).front();
  const auto told = [this, client_id] {
    inbox_.post([this, client_id] { finish(client_id, nullptr); });
  };
  if (const auto* published = std::get_if<Published>(&act)) {
    const Message& message = published->message;
    // An answer may have come since, for the one before it.
    if (published->authorized || (authorization_.knows_whether_may_publish(message.client, message.topic) &&
                                  authorization_.may_publish(message.client, message.topic) == Verdict::yes)) {
      ask(client_id, message);
      return;
    }
    authorization_.ask_whether_may_publish(message.client, message.topic, [this, client_id](Verdict verdict) {
      if (verdict == Verdict::yes) {
        ask(client_id, std::get<Published>(lines_.at(client_id).front()).message);
      } else {
        const PublishAnswer refused{PublishAnswer::drop, {}, {}, 0};
        finish(client_id, &refused);
      }
    });
  } else if (const auto* connected = std::get_if<Connected>(&act)) {
    exhook_.connected(*connected->client, told);
  } else if (const auto* disconnected = std::get_if<Disconnected>(&act)) {
    exhook_.disconnected(*disconnected->client, disconnected->reason, told);
  }
}

void Outbox::ask(const std::string& client_id, const Message& message) {
  exhook_.publish(message, [this, client_id](PublishAnswer answer) {
    inbox_.post([this, client_id, answer = std::move(answer)] { finish(client_id, &answer); });
  });
}

void Outbox::finish(const std::string& client_id, const PublishAnswer* answer) {
  const auto line = lines_.find(client_id);
  const Act act = std::move(line->second.front());
  line->second.pop_front();
  const Load load = load_of(act);
  waiting_ = waiting_ - load;
  const auto share = waiting_of_.find(client_of(act).username);
  share->second = share->second - load;
  if (share->second.messages + share->second.news == 0) waiting_of_.erase(share);
  if (line->second.empty()) {
    lines_.erase(line);
  } else {
    start(client_id);
  }
  const auto* published = std::get_if<Published>(&act);
  if (published != nullptr && answer != nullptr) apply(published->message, *answer);
}

void Outbox::apply(const Message& message, const PublishAnswer& answer) {
  switch (answer.kind) {
    case PublishAnswer::drop:
      return;
    case PublishAnswer::replace:
      if (!is_publishable(answer)) {
        bad_answer_.warn("the ExHook server made something of a message on " + message.topic +
                         " that cannot be published (topic or QoS): dropped");
        return;
      }
      publish_now(answer.topic, answer.payload, static_cast<int>(answer.qos), false);
      return;
    // As in EMQX, also if the call failed.
    case PublishAnswer::pass:
    case PublishAnswer::failed:
      publish_now(message.topic, message.payload, message.qos, message.retain);
  }
}

void Outbox::publish_now(const std::string& topic, const std::string& payload, int qos, bool retain) {
  const int fault = mosquitto_broker_publish_copy(nullptr, topic.c_str(), static_cast<int>(payload.size()),
                                                  payload.empty() ? nullptr : payload.data(), qos, retain, nullptr);
  if (fault != MOSQ_ERR_SUCCESS) {
    bad_answer_.warn("a message on " + topic + " could not be published (Mosquitto's error " + std::to_string(fault) + ")");
  }
}

}  // namespace dockhook
