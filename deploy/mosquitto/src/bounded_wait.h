/**
 * Waits for an answer on the broker's thread, while the whole broker stands still. Two bounds: the longest wait for one
 * answer (`auth_wait_ms`), and what is left in the buckets of `throttle.h`. A client that comes when they are empty gets
 * no wait: the question is asked all the same, and its answer is there when the client comes again.
 */
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "exhook.h"
#include "inbox.h"
#include "throttle.h"

namespace dockhook {

class BoundedWait {
 public:
  using Clock = std::chrono::steady_clock;
  using Ask = std::function<void(std::function<void(Verdict)> done)>;
  using For = Throttle::For;

  BoundedWait(Inbox& inbox, std::chrono::milliseconds longest) : inbox_(inbox), longest_(longest) {}

  /**
   * @param username whom it is about
   * @param late gets the answer, in the inbox, if it does not come in time
   * @return nothing if it does not come in time
   */
  std::optional<Verdict> ask(For whom, const std::string& username, const Ask& ask, std::function<void(Verdict)> late) {
    const auto start = Clock::now();
    const auto at_most = std::min<Throttle::Duration>(longest_, throttle_.left(whom, username, start));
    auto question = std::make_shared<Question>();
    ask([this, question, late = std::move(late)](Verdict verdict) {
      {
        const std::lock_guard<std::mutex> lock(question->mutex);
        if (!question->given_up) {
          question->verdict = verdict;
          question->answered.notify_one();
          return;
        }
      }
      inbox_.post([late, verdict] { late(verdict); });
    });

    std::unique_lock<std::mutex> lock(question->mutex);
    question->answered.wait_for(lock, at_most, [&] { return question->verdict.has_value(); });
    question->given_up = true;
    const auto end = Clock::now();
    throttle_.spend(whom, username, end - start, question->verdict.has_value(), end);
    return question->verdict;
  }

  /** Whether it is too much to ask about a client of this username that was let in, even without waiting. */
  bool is_overdrawn(const std::string& username) { return throttle_.is_overdrawn(username, Clock::now()); }

  /** Asks without waiting at all. @param late gets the answer, in the inbox */
  void ask_aside(const Ask& ask, std::function<void(Verdict)> late) {
    ask([this, late = std::move(late)](Verdict verdict) { inbox_.post([late, verdict] { late(verdict); }); });
  }

 private:
  struct Question {
    std::mutex mutex;
    std::condition_variable answered;
    std::optional<Verdict> verdict;
    bool given_up = false;
  };

  Inbox& inbox_;
  const std::chrono::milliseconds longest_;
  Throttle throttle_{Clock::now()};
};

}  // namespace dockhook
