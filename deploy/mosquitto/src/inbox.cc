/** Work for the broker's thread, and the thread that wakes it. */
#include "inbox.h"

#include <signal.h>

#include <chrono>
#include <exception>
#include <utility>

#include "log.h"

namespace dockhook {
namespace {

/** The system ignores it where nobody handles it, and the broker has no use for it. */
constexpr int WAKE_SIGNAL = SIGURG;
constexpr std::chrono::milliseconds AGAIN{1};

void handle_wake_signal() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  // Ends epoll_wait all the same, and nothing that would mind.
  action.sa_flags = SA_RESTART;
  sigaction(WAKE_SIGNAL, &action, nullptr);
}

}  // namespace

Inbox::Inbox() {
  handle_wake_signal();
  waker_ = std::thread([this] { wake(); });
}

Inbox::~Inbox() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  waker_.join();
}

void Inbox::post(std::function<void()> work) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    posted_.push_back(std::move(work));
    if (posted_.size() > 1) return;
  }
  changed_.notify_one();
}

void Inbox::run() {
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    work.swap(posted_);
    has_run_ = !work.empty();
  }
  if (!work.empty()) changed_.notify_one();
  for (const auto& one : work) {
    try {
      one();
    } catch (const std::exception& error) {
      log_error(std::string("an answer could not be applied: ") + error.what());
    }
  }
}

void Inbox::wake() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!ended_) {
    if (posted_.empty() && !has_run_) {
      changed_.wait(lock);
    } else {
      pthread_kill(broker_, WAKE_SIGNAL);
      changed_.wait_for(lock, AGAIN);
    }
  }
}

}  // namespace dockhook
