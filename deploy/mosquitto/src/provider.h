/**
 * Watches the server: a thread that makes and keeps the connection, calls OnProviderLoaded each time it stands, and
 * finds out once a second whether anybody answers. It is the circuit breaker: while it says "not serving" nobody else
 * makes a call, so a server that is away or frozen costs the broker no time.
 *
 * It asks by itself, and never looks at how long logins take. For dockhook holds each refusal back for 200–500 ms, so
 * that names cannot be told apart by timing: an answer that is late is the normal case for a wrong password, and would
 * else be taken for a fault, for which good clients would pay.
 */
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include "exhook.h"
#include "inbox.h"

namespace dockhook {

class Provider {
 public:
  /** To be made with all signals blocked. */
  Provider(Exhook& exhook, Inbox& inbox, const std::string& target);
  ~Provider();
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;

  /** Whether it is worth a call. */
  bool serving() const { return serving_; }
  /** What it asked for when it was there last; null if it never was. */
  std::shared_ptr<const Hooks> hooks() const;

 private:
  void watch();
  void watch_connection();
  bool load();
  void set_serving(bool serving, const std::string& what, const std::string& why = "");

  Exhook& exhook_;
  Inbox& inbox_;
  const std::string target_;
  std::atomic<bool> serving_{false};
  std::atomic<bool> ended_{false};
  mutable std::mutex mutex_;
  std::shared_ptr<const Hooks> hooks_;
  /** What the log was told last, and when it may be told another reason for the same. */
  std::string said_;
  std::string said_why_;
  std::chrono::steady_clock::time_point say_why_;
  std::thread thread_;
};

}  // namespace dockhook
