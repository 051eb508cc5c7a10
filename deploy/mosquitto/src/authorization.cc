/** What a client may publish and subscribe. */
#include "authorization.h"

#include <utility>

namespace dockhook {
namespace {

/** Clients that are not connected and still known. */
constexpr std::size_t MAX_LEFT = 10000;
/** DJI's longest topics have about 60 characters. */
constexpr std::size_t MAX_TOPIC = 1024;
/** Of one username: some 12,000 topics, for a backend may publish to many docks, and half as many filters. */
constexpr std::size_t MAX_DECISIONS_BYTES = 2 * 1024 * 1024;
constexpr std::size_t MAX_GRANTED_BYTES = 1024 * 1024;

std::string key_of(const Client& client) { return client.id + '\0' + client.username; }

constexpr char PUBLISH = 'P';
constexpr char SUBSCRIBE = 'S';

std::string key_of(Action action, const std::string& topic) {
  return (action == Action::publish ? PUBLISH : SUBSCRIBE) + topic;
}

/** EMQX asks for the filter of a shared subscription without its group. */
std::string without_group(const std::string& filter) {
  const std::string share = "$share/";
  if (filter.compare(0, share.size(), share) != 0) return filter;
  const auto slash = filter.find('/', share.size());
  return slash == std::string::npos ? filter : filter.substr(slash + 1);
}

/** What it takes to remember this, with its place in a table. */
std::size_t bytes_of(const std::string& text) { return text.size() + 128; }

bool is_too_long(const std::string& topic) { return topic.size() > MAX_TOPIC; }

bool is_answer(Verdict verdict) {
  return verdict == Verdict::yes || verdict == Verdict::no || verdict == Verdict::not_ours;
}

}  // namespace

Authorization::Authorization(Exhook& exhook, Provider& provider, BoundedWait& wait, const Options& options)
    : exhook_(exhook), provider_(provider), wait_(wait), fresh_(options.acl), cache_(options.cache) {}

void Authorization::connected(const ClientPtr& client, bool ours) {
  Record& record = records_[key_of(*client)];
  record.client = client;
  record.ours = ours;
  record.connected = true;
  record.session = ++sessions_;
}

void Authorization::disconnected(const Client& client, bool session_ends) {
  const std::string key = key_of(client);
  const auto entry = records_.find(key);
  // Of a session that was taken over, the broker says so after the login of the one that did.
  if (entry == records_.end() || entry->second.client.get() != &client) return;
  Record& record = entry->second;
  record.connected = false;
  if (session_ends) revoke_all(record);
  // A refused topic is refused as well when nobody can be asked; a refused filter would then end the connection.
  forget_decisions(record, [](const std::string& about, const Decision& decision) {
    return !is_answer(decision.verdict) || (decision.verdict == Verdict::no && about[0] == PUBLISH);
  });
  forget_later(key, record.session);
}

Verdict Authorization::may_publish(const ClientPtr& client, const std::string& topic) {
  Record& record = record_of(client);
  return record.ours ? decide(record, Action::publish, topic) : Verdict::not_ours;
}

bool Authorization::knows_whether_may_publish(const ClientPtr& client, const std::string& topic) {
  Record& record = record_of(client);
  return !record.ours || is_too_long(topic) || is_fresh(record, decision_of(record, Action::publish, topic));
}

void Authorization::ask_whether_may_publish(const ClientPtr& client, const std::string& topic,
                                            std::function<void(Verdict)> done) {
  const Record& record = record_of(client);
  const auto settle_it = settling(record, Action::publish, topic);
  const BoundedWait::Ask nobody = [](auto answered) { answered(Verdict::unreachable); };
  wait_.ask_aside(can_ask() ? question(record, Action::publish, topic) : nobody,
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
  if (verdict != Verdict::yes || grant(record, bare)) return verdict;
  refused_.warn("client " + client->id + " of " + client->username +
                " has too many topic filters, or too many that differ in where their wildcards stand: more are refused");
  return Verdict::no;
}

Verdict Authorization::may_receive(const ClientPtr& client, const std::string& topic) {
  Record& record = record_of(client);
  if (!record.ours) return Verdict::not_ours;
  const std::string* const filter = record.granted.find(topic);
  // A session that the broker kept while we were not there, or that another account began under this client id.
  if (filter == nullptr) return decide(record, Action::subscribe, topic);
  // Asked beside the delivery; a "no" ends the grant.
  Decision& decision = decision_of(record, Action::subscribe, *filter);
  if (decision.when + fresh_ < Clock::now() && !decision.asking && can_ask()) {
    refresh(record, decision, Action::subscribe, *filter);
  }
  return Verdict::yes;
}

void Authorization::unsubscribed(const ClientPtr& client, const std::string& filter) {
  revoke(record_of(client), without_group(filter));
}

Verdict Authorization::decide(Record& record, Action action, const std::string& topic) {
  if (is_too_long(topic)) {
    refused_.warn("a topic of " + std::to_string(topic.size()) + " bytes, more than " + std::to_string(MAX_TOPIC) +
                  ", is refused unasked to client " + record.client->id + " of " + record.client->username);
    return Verdict::no;
  }
  Decision& decision = decision_of(record, action, topic);
  if (is_fresh(record, decision)) return decision.verdict;
  if (can_ask() && !decision.asking) {
    const bool was_fresh_lately = decision.session == record.session && Clock::now() - decision.when <= 2 * fresh_;
    if (was_fresh_lately && decision.verdict == Verdict::yes) {
      refresh(record, decision, action, topic);
      return Verdict::yes;
    }
    const std::string& username = record.client->username;
    // Of a session before this one, too: whoever comes again and again pays for each of its topics.
    if (wait_.is_overdrawn(username)) {
      const bool is_recent = is_answer(decision.verdict) && Clock::now() - decision.when <= 2 * fresh_;
      return is_recent ? decision.verdict : Verdict::failed;
    }
    decision.asking = true;
    const auto verdict =
        wait_.ask(BoundedWait::For::known, username, question(record, action, topic), settling(record, action, topic));
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
  wait_.ask_aside(question(record, action, topic), settling(record, action, topic));
}

BoundedWait::Ask Authorization::question(const Record& record, Action action, const std::string& topic) {
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
  if (action == Action::subscribe && verdict != Verdict::yes) revoke(record, topic);
}

/** @return false if the username has too many */
bool Authorization::grant(Record& record, const std::string& filter) {
  if (record.granted.has(filter)) return true;
  Share& share = share_of(record);
  if (share.granted + bytes_of(filter) > MAX_GRANTED_BYTES) make_room(record.client->username, share);
  if (share.granted + bytes_of(filter) > MAX_GRANTED_BYTES || !record.granted.add(filter)) return false;
  share.granted += bytes_of(filter);
  return true;
}

/** Sessions that ended, of MQTT 5 perhaps, give their filters back; what one of them is still sent is asked about. */
void Authorization::make_room(const std::string& username, Share& share) {
  // It goes through all records.
  if (Clock::now() < share.room_made + std::chrono::seconds(10)) return;
  share.room_made = Clock::now();
  for (auto& [key, record] : records_) {
    if (!record.connected && record.client->username == username) revoke_all(record);
  }
}

void Authorization::revoke(Record& record, const std::string& filter) {
  if (record.granted.remove(filter)) share_of(record).granted -= bytes_of(filter);
}

void Authorization::revoke_all(Record& record) {
  for (const auto& filter : record.granted.all()) share_of(record).granted -= bytes_of(filter);
  record.granted = {};
}

Authorization::Decision& Authorization::decision_of(Record& record, Action action, const std::string& topic) {
  const std::string key = key_of(action, topic);
  const auto entry = record.decisions.find(key);
  if (entry != record.decisions.end()) return entry->second;
  if (share_of(record).decisions + bytes_of(key) > MAX_DECISIONS_BYTES) {
    // They are asked for again.
    for (auto& [other_key, other] : records_) {
      if (other.client->username == record.client->username) forget_decisions(other, [](auto&, auto&) { return true; });
    }
  }
  share_of(record).decisions += bytes_of(key);
  return record.decisions[key];
}

template <typename Unneeded>
void Authorization::forget_decisions(Record& record, Unneeded is_unneeded) {
  auto& decisions = record.decisions;
  for (auto entry = decisions.begin(); entry != decisions.end();) {
    if (!is_unneeded(entry->first, entry->second)) {
      ++entry;
      continue;
    }
    share_of(record).decisions -= bytes_of(entry->first);
    entry = decisions.erase(entry);
  }
}

Authorization::Share& Authorization::share_of(const Record& record) { return shares_[record.client->username]; }

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
    Record& record = oldest->second;
    revoke_all(record);
    forget_decisions(record, [](auto&, auto&) { return true; });
    const auto share = shares_.find(record.client->username);
    if (share != shares_.end() && share->second.decisions + share->second.granted == 0) shares_.erase(share);
    records_.erase(oldest);
  }
  left_.pop_front();
}

}  // namespace dockhook
