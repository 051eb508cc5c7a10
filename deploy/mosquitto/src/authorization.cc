/** What a client may publish and subscribe. */
#include "authorization.h"

#include <mosquitto.h>

#include <algorithm>
#include <utility>

namespace dockhook {
namespace {

/** Clients that are not connected and still known. */
constexpr std::size_t MAX_LEFT = 10000;
/** Topics of one client; a backend may publish to many docks. */
constexpr std::size_t MAX_DECISIONS = 10000;
constexpr std::size_t MAX_GRANTED = 10000;

std::string key_of(const Client& client) { return client.id + '\0' + client.username; }

std::string key_of(Action action, const std::string& topic) {
  return (action == Action::publish ? 'P' : 'S') + topic;
}

/** EMQX asks for the filter of a shared subscription without its group. */
std::string without_group(const std::string& filter) {
  const std::string share = "$share/";
  if (filter.compare(0, share.size(), share) != 0) return filter;
  const auto slash = filter.find('/', share.size());
  return slash == std::string::npos ? filter : filter.substr(slash + 1);
}

bool matches(const std::string& filter, const std::string& topic) {
  bool result = false;
  return mosquitto_topic_matches_sub(filter.c_str(), topic.c_str(), &result) == MOSQ_ERR_SUCCESS && result;
}

bool is_answer(Verdict verdict) {
  return verdict == Verdict::yes || verdict == Verdict::no || verdict == Verdict::not_ours;
}

}  // namespace

Authorization::Authorization(Exhook& exhook, Provider& provider, Patience& patience, const Options& options)
    : exhook_(exhook), provider_(provider), patience_(patience), fresh_(options.acl), cache_(options.cache) {}

void Authorization::connected(const ClientPtr& client, bool ours) {
  Record& record = records_[key_of(*client)];
  record.client = client;
  record.ours = ours;
  record.connected = true;
  record.session = ++sessions_;
}

void Authorization::disconnected(const Client& client) {
  const std::string key = key_of(client);
  const auto entry = records_.find(key);
  // Of a session that was taken over, the broker says so after the login of the one that did.
  if (entry == records_.end() || entry->second.client.get() != &client) return;
  entry->second.connected = false;
  forget_later(key, entry->second.session);
}

Verdict Authorization::may_publish(const ClientPtr& client, const std::string& topic) {
  Record& record = record_of(client);
  return record.ours ? decide(record, Action::publish, topic) : Verdict::not_ours;
}

bool Authorization::knows_whether_may_publish(const ClientPtr& client, const std::string& topic) {
  Record& record = record_of(client);
  const Decision& decision = decision_of(record, Action::publish, topic);
  return !record.ours || is_fresh(record, decision);
}

void Authorization::ask_whether_may_publish(const ClientPtr& client, const std::string& topic,
                                            std::function<void(Verdict)> done) {
  const Record& record = record_of(client);
  const auto settle_it = settling(record, Action::publish, topic);
  const Patience::Ask nobody = [](auto answered) { answered(Verdict::unreachable); };
  patience_.ask_aside(can_ask() ? question(record, Action::publish, topic) : nobody,
                      [this, client, topic, settle_it, done = std::move(done)](Verdict verdict) {
                        settle_it(verdict);
                        done(is_answer(verdict) ? verdict : last_said(record_of(client), Action::publish, topic));
                      });
}

Verdict Authorization::may_subscribe(const ClientPtr& client, const std::string& filter) {
  Record& record = record_of(client);
  if (!record.ours) return Verdict::not_ours;
  const std::string bare = without_group(filter);
  const Verdict verdict = decide(record, Action::subscribe, bare);
  auto& granted = record.granted;
  if (verdict == Verdict::yes && granted.size() < MAX_GRANTED &&
      std::find(granted.begin(), granted.end(), bare) == granted.end()) {
    granted.push_back(bare);
  }
  return verdict;
}

Verdict Authorization::may_receive(const ClientPtr& client, const std::string& topic) {
  Record& record = record_of(client);
  if (!record.ours) return Verdict::not_ours;
  const auto grant = std::find_if(record.granted.begin(), record.granted.end(),
                                  [&](const auto& filter) { return matches(filter, topic); });
  // A session that the broker kept while we were not there, or that another account began under this client id.
  if (grant == record.granted.end()) return decide(record, Action::subscribe, topic);
  // Asked beside the delivery; a "no" ends the grant.
  Decision& decision = decision_of(record, Action::subscribe, *grant);
  if (decision.when + fresh_ < Clock::now() && !decision.asking && can_ask()) {
    refresh(record, decision, Action::subscribe, *grant);
  }
  return Verdict::yes;
}

void Authorization::unsubscribed(const ClientPtr& client, const std::string& filter) {
  auto& granted = record_of(client).granted;
  granted.erase(std::remove(granted.begin(), granted.end(), without_group(filter)), granted.end());
}

Verdict Authorization::decide(Record& record, Action action, const std::string& topic) {
  Decision& decision = decision_of(record, action, topic);
  if (is_fresh(record, decision)) return decision.verdict;
  if (can_ask() && !decision.asking) {
    const bool was_fresh_lately = decision.session == record.session && Clock::now() - decision.when <= 2 * fresh_;
    if (was_fresh_lately && decision.verdict == Verdict::yes) {
      refresh(record, decision, action, topic);
      return Verdict::yes;
    }
    decision.asking = true;
    const auto verdict =
        patience_.ask(Patience::For::known, question(record, action, topic), settling(record, action, topic));
    if (verdict) settle(record, action, topic, record.session, *verdict);
    if (verdict && is_answer(*verdict)) return *verdict;
  }
  return last_said(record, action, topic);
}

bool Authorization::is_fresh(const Record& record, const Decision& decision) const {
  return is_answer(decision.verdict) && decision.session == record.session && Clock::now() - decision.when <= fresh_;
}

/** For when nobody says. */
Verdict Authorization::last_said(Record& record, Action action, const std::string& topic) {
  const Decision& decision = decision_of(record, action, topic);
  return Clock::now() - decision.when <= cache_ ? decision.verdict : Verdict::failed;
}

bool Authorization::can_ask() const { return provider_.serving() && provider_.hooks()->authorize; }

void Authorization::refresh(Record& record, Decision& decision, Action action, const std::string& topic) {
  decision.asking = true;
  patience_.ask_aside(question(record, action, topic), settling(record, action, topic));
}

Patience::Ask Authorization::question(const Record& record, Action action, const std::string& topic) {
  return [this, client = record.client, action, topic](auto done) {
    exhook_.authorize(*client, action, topic, std::move(done));
  };
}

/** For an answer that comes later: the client may have gone meanwhile. */
std::function<void(Verdict)> Authorization::settling(const Record& record, Action action, const std::string& topic) {
  return [this, key = key_of(*record.client), session = record.session, action, topic](Verdict verdict) {
    const auto entry = records_.find(key);
    if (entry != records_.end()) settle(entry->second, action, topic, session, verdict);
  };
}

void Authorization::settle(Record& record, Action action, const std::string& topic, std::uint64_t session,
                           Verdict verdict) {
  Decision& decision = decision_of(record, action, topic);
  decision.asking = false;
  if (!is_answer(verdict)) return;
  decision.verdict = verdict;
  decision.when = Clock::now();
  decision.session = session;
  auto& granted = record.granted;
  if (action == Action::subscribe && verdict != Verdict::yes) {
    granted.erase(std::remove(granted.begin(), granted.end(), topic), granted.end());
  }
}

Authorization::Decision& Authorization::decision_of(Record& record, Action action, const std::string& topic) {
  const std::string key = key_of(action, topic);
  if (record.decisions.size() >= MAX_DECISIONS && record.decisions.count(key) == 0) record.decisions.clear();
  return record.decisions[key];
}

/** Also of a client that the broker let in without asking us, or that left: its last will is still to come. */
Authorization::Record& Authorization::record_of(const ClientPtr& client) {
  const std::string key = key_of(*client);
  const auto [entry, is_new] = records_.try_emplace(key);
  if (is_new) {
    entry->second.client = client;
    entry->second.session = ++sessions_;
    forget_later(key, entry->second.session);
  }
  return entry->second;
}

/** The oldest of too many that left are forgotten. */
void Authorization::forget_later(const std::string& key, std::uint64_t session) {
  left_.emplace_back(key, session);
  if (left_.size() <= MAX_LEFT) return;
  const auto oldest = records_.find(left_.front().first);
  if (oldest != records_.end() && !oldest->second.connected && oldest->second.session == left_.front().second) {
    records_.erase(oldest);
  }
  left_.pop_front();
}

}  // namespace dockhook
