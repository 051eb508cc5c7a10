/**
 * Watches the server: a thread that makes and keeps the connection, calls OnProviderLoaded each time it stands, and
 * finds out once a second whether anybody answers. It is the circuit breaker: while it says "not serving" nobody else
 * makes a call, so a server that is away or frozen costs the broker no time.
 *
 * It also follows the files of TLS, as dockhook does with its own: a renewed set is taken when it is whole and the server
 * answers on a connection made with it.
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
#include "options.h"

namespace dockhook {

class Provider {
 public:
  /** To be made with all signals blocked. */
  Provider(Exhook& exhook, Inbox& inbox, const Options& options);
  ~Provider();
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;

  /** Whether it is worth a call. */
  bool serving() const { return serving_; }
  /** What it asked for when it was there last; null if it never was. */
  std::shared_ptr<const Hooks> hooks() const;
  /** The files of TLS are looked at soon, rather than when it is time. */
  void look_at_files() { look_ = true; }

 private:
  void watch();
  void watch_connection();
  bool load();
  bool follow_files();
  void set_serving(bool serving, const std::string& what, const std::string& why = "");

  Exhook& exhook_;
  Inbox& inbox_;
  const std::string target_;
  const Tls files_;
  /** What they held when they were last taken. */
  Tls in_use_;
  /** What the log was told of them last. */
  std::string said_of_files_;
  std::chrono::steady_clock::time_point looked_at_;
  std::atomic<bool> look_{false};
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
