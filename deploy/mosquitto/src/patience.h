/**
 * Waiting for an answer on the broker's thread, while which the broker stands still. Two bounds: the longest wait for
 * one answer (`auth_wait_ms`), and a purse of time for all of them together, so that strangers who try passwords, each
 * of whom makes us wait that long, take a tenth of the broker's time at most. Who comes when the purse is empty gets no
 * wait: the question is asked all the same, and its answer is there when the client comes again. Clients that were let
 * in before have a purse of their own, which no stranger can empty.
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

namespace dockhook {

class Patience {
 public:
  using Clock = std::chrono::steady_clock;
  using Ask = std::function<void(std::function<void(Verdict)> done)>;
  enum class For { known, stranger };

  Patience(Inbox& inbox, std::chrono::milliseconds longest) : inbox_(inbox), longest_(longest) {}

  /**
   * @param late gets the answer, in the inbox, if it does not come in time
   * @return nothing if it does not come in time
   */
  std::optional<Verdict> ask(For whom, const Ask& ask, std::function<void(Verdict)> late) {
    const auto start = Clock::now();
    Purse& purse = whom == For::known ? known_ : strangers_;
    purse.left = std::min(BURST, purse.left + std::chrono::duration_cast<Duration>((start - purse.filled) * SHARE));
    purse.filled = start;

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
    question->answered.wait_for(lock, std::min<Duration>(longest_, std::max(purse.left, Duration::zero())),
                                [&] { return question->verdict.has_value(); });
    question->given_up = true;
    const auto waited = std::chrono::duration_cast<Duration>(Clock::now() - start);
    // A quick answer is free: between two of them the broker does its other work. Waiting for none never is.
    if (waited > FREE || !question->verdict) purse.left -= waited;
    return question->verdict;
  }

  /** Asks without waiting at all. @param late gets the answer, in the inbox */
  void ask_aside(const Ask& ask, std::function<void(Verdict)> late) {
    ask([this, late = std::move(late)](Verdict verdict) { inbox_.post([late, verdict] { late(verdict); }); });
  }

 private:
  using Duration = std::chrono::duration<double, std::milli>;

  struct Question {
    std::mutex mutex;
    std::condition_variable answered;
    std::optional<Verdict> verdict;
    bool given_up = false;
  };

  static constexpr Duration BURST{1000};
  static constexpr Duration FREE{25};
  /** Of the time that goes by. */
  static constexpr double SHARE = 0.1;

  struct Purse {
    Duration left = BURST;
    Clock::time_point filled = Clock::now();
  };

  Inbox& inbox_;
  const std::chrono::milliseconds longest_;
  Purse known_;
  Purse strangers_;
};

}  // namespace dockhook
