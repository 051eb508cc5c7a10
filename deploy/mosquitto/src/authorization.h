/**
 * What a client may publish and subscribe. The server decides; an answer counts for `acl_seconds`, as EMQX's cache does
 * for a minute. Then it is asked for again while the old yes stands once more, so that telemetry never waits for it.
 * What may be delivered to a client follows from what it may subscribe, and UNSUBSCRIBE is always fine: no question.
 * Everything here runs on the broker's thread.
 */
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>

#include "exhook.h"
#include "grants.h"
#include "log.h"
#include "options.h"
#include "bounded_wait.h"
#include "provider.h"

namespace dockhook {

class Authorization {
 public:
  Authorization(Exhook& exhook, Provider& provider, BoundedWait& wait, const Options& options);

  /** Before any other call for a client that was let in. What was answered in its last session is asked again. */
  void connected(const ClientPtr& client, bool ours);
  /** @param session_ends whether the broker forgets its subscriptions */
  void disconnected(const Client& client, bool session_ends);

  /** @return failed if nobody says */
  Verdict may_publish(const ClientPtr& client, const std::string& topic);
  /** Whether the answer to that is there, and nobody would have to wait. */
  bool knows_whether_may_publish(const ClientPtr& client, const std::string& topic);
  /** Without waiting. @param done gets the answer, in the inbox */
  void ask_whether_may_publish(const ClientPtr& client, const std::string& topic, std::function<void(Verdict)> done);
  /** @param filter as the client sent it, with `$share/group/` if that is there */
  Verdict may_subscribe(const ClientPtr& client, const std::string& filter);
  Verdict may_receive(const ClientPtr& client, const std::string& topic);
  void unsubscribed(const ClientPtr& client, const std::string& filter);

 private:
  using Clock = std::chrono::steady_clock;

  struct Decision {
    Verdict verdict = Verdict::failed;
    Clock::time_point when;
    /** In which of the client's sessions. */
    std::uint64_t session = 0;
    bool asking = false;
  };

  /** One client id under one username. */
  struct Record {
    ClientPtr client;
    bool ours = true;
    bool connected = false;
    std::uint64_t session = 0;
    std::unordered_map<std::string, Decision> decisions;
    /** They let messages through, in later sessions too, for the broker may keep them. */
    Grants granted;
  };

  /** Bytes that are remembered of one username. */
  struct Share {
    std::size_t decisions = 0;
    std::size_t granted = 0;
    Clock::time_point room_made;
  };

  Record& record_of(const ClientPtr& client);
  void forget_later(const std::string& key, std::uint64_t session);
  Share& share_of(const Record& record);
  bool grant(Record& record, const std::string& filter);
  void make_room(const std::string& username, Share& share);
  void revoke(Record& record, const std::string& filter);
  void revoke_all(Record& record);
  template <typename Unneeded>
  void forget_decisions(Record& record, Unneeded is_unneeded);
  Verdict decide(Record& record, Action action, const std::string& topic);
  Decision& decision_of(Record& record, Action action, const std::string& topic);
  bool is_fresh(const Record& record, const Decision& decision) const;
  Verdict last_said(Record& record, Action action, const std::string& topic);
  bool can_ask() const;
  void refresh(Record& record, Decision& decision, Action action, const std::string& topic);
  BoundedWait::Ask question(const Record& record, Action action, const std::string& topic);
  std::function<void(Verdict)> settling(const Record& record, Action action, const std::string& topic);
  void settle(Record& record, Action action, const std::string& topic, std::uint64_t session, Verdict verdict);

  Exhook& exhook_;
  Provider& provider_;
  BoundedWait& wait_;
  const std::chrono::seconds fresh_;
  const std::chrono::seconds cache_;
  std::uint64_t sessions_ = 0;
  std::unordered_map<std::string, Record> records_;
  /** By username. */
  std::unordered_map<std::string, Share> shares_;
  /** In the order in which they left, to be forgotten, with their session. */
  std::deque<std::pair<std::string, std::uint64_t>> left_;
  Seldom refused_{std::chrono::seconds(10)};
};

}  // namespace dockhook
