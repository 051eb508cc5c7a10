/**
 * Work for the broker's thread from other threads. Only that thread may touch the broker, and it runs the inbox
 * when it has a moment (MOSQ_EVT_TICK, once per turn of its loop). An idle broker sleeps up to 100 ms in each turn,
 * from 2.1 on for as long as it likes; so whoever posts wakes it, by a signal with an empty handler that ends its sleep.
 *
 * The signal is sent again every millisecond until the inbox has run and was then found empty. For one that comes just before the broker falls
 * asleep is lost, and nothing else would tell. And Mosquitto 2.1 gives plugins their moment before it sleeps, and sends
 * what they published after it. That needs no port and no login, as a connection of our own to the broker would.
 */
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace dockhook {

class Inbox {
 public:
  /** To be made on the broker's thread, with all signals blocked. */
  Inbox();
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  /** From any thread. Work that is posted after the last run is never done. */
  void post(std::function<void()> work);

  /** Does what was posted, in that order; on the broker's thread. */
  void run();

 private:
  void wake();

  const pthread_t broker_ = pthread_self();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> posted_;
  /** The last run found something to do. */
  bool has_run_ = false;
  bool ended_ = false;
  std::thread waker_;
};

}  // namespace dockhook
