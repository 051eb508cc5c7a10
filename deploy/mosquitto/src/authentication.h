/**
 * Who may connect. The server decides, on each login. Its answers are remembered for two cases only: a client that was
 * let in may come back while the server is away, and one whose answer came too late gets it at its next attempt.
 * Everything here runs on the broker's thread.
 */
#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "exhook.h"
#include "options.h"
#include "bounded_wait.h"
#include "provider.h"

namespace dockhook {

/** Stands for a client with its password; tells neither. */
using Credentials = std::string;

class Authentication {
 public:
  Authentication(Exhook& exhook, Provider& provider, BoundedWait& wait, std::chrono::seconds cache);

  Credentials credentials(const Client& client, const std::string& password) const;

  /** @return yes, no or not_ours */
  Verdict check(const Client& client, const std::string& password, const Credentials& credentials);

  /** A client that was let in is connected: what is known of it stays known. */
  void connected(const Credentials& credentials);
  void disconnected(const Credentials& credentials);

 private:
  using Clock = std::chrono::steady_clock;

  /** What the server said yes to. */
  struct Known {
    int connections = 0;
    Clock::time_point left;
    /** Its yes came too late for the one who asked, who may have it until then. */
    Clock::time_point owed_until;
  };

  Verdict settle(const Credentials& credentials, const std::string& refusal, Verdict verdict);
  bool take_owed(const Credentials& credentials);
  bool was_in_lately(const Credentials& credentials) const;
  void leave(const Credentials& credentials);

  Exhook& exhook_;
  Provider& provider_;
  BoundedWait& wait_;
  const std::chrono::seconds cache_;
  const std::string salt_;
  std::unordered_map<Credentials, Known> known_;
  /** In the order in which they left, to be forgotten. */
  std::deque<std::pair<Credentials, Clock::time_point>> left_;
  /** Credentials with an address that were refused, until they are asked for again. */
  std::unordered_map<std::string, Clock::time_point> refused_;
  std::unordered_set<Credentials> asking_;
  /** Questions under way about clients without a username. */
  std::size_t nameless_ = 0;
};

}  // namespace dockhook
