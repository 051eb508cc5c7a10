/**
 * For how long the broker may stand still, and for whose sake: a bucket of time for each, which fills again as time goes
 * by. It is arithmetic alone, on times that it is told.
 *
 * Clients that were let in before pay out of one bucket, strangers out of another, which is all that strangers can empty.
 * Each username has one of its own besides, in either capacity: whoever makes the broker wait over and over, be it a
 * moment each time, takes a small share of its time.
 */
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <unordered_map>

namespace dockhook {

/** Holds between -`most` and `most`. */
class TimeBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::duration<double, std::milli>;

  /** Full. @param share of the time that goes by, which is what comes in */
  TimeBucket(Duration most, double share, Time now) : most_(most), share_(share), left_(most), filled_(now) {}

  Duration left(Time now) {
    left_ = std::min(most_, left_ + Duration(now - filled_) * share_);
    filled_ = now;
    return left_;
  }
  bool is_full(Time now) { return left(now) == most_; }
  void spend(Duration time, Time now) { left_ = std::max(-most_, left(now) - time); }

 private:
  Duration most_;
  double share_;
  Duration left_;
  Time filled_;
};

class Throttle {
 public:
  using Time = TimeBucket::Time;
  using Duration = TimeBucket::Duration;
  enum class For { known, stranger };

  explicit Throttle(Time now) : known_(now), strangers_(now) {}

  /** How long an answer about this username may be waited for. */
  Duration left(For whom, const std::string& username, Time now) {
    Side& side = side_of(whom);
    TimeBucket* const own = own_of(side, username, now);
    return own == nullptr ? Duration::zero() : std::max(Duration::zero(), std::min(side.all.left(now), own->left(now)));
  }

  /** @param waited with what it took to ask @param answered whether the answer came in that time */
  void spend(For whom, const std::string& username, Duration waited, bool answered, Time now) {
    Side& side = side_of(whom);
    TimeBucket* const own = own_of(side, username, now);
    // Between two quick answers the broker does its other work. Waiting for none is never free, but whoever had nothing
    // left was not waited for: what it asks must not empty the bucket of all.
    if ((waited > FREE || !answered) && (own == nullptr || own->left(now) > Duration::zero())) side.all.spend(waited, now);
    if (own != nullptr) own->spend(waited, now);
  }

  /** Whether even a question that nobody waits for is too much, for it takes time to ask. */
  bool is_overdrawn(const std::string& username, Time now) {
    const auto own = known_.own.find(username);
    return own != known_.own.end() && own->second.left(now) <= OVERDRAWN;
  }

 private:
  static constexpr Duration MOST{1000};
  static constexpr double SHARE = 0.1;
  static constexpr Duration FREE{25};
  /** Enough for a dock's login and its topics when each answer takes 20 ms. */
  static constexpr Duration MOST_OF_ONE{500};
  static constexpr double SHARE_OF_ONE = 0.05;
  static constexpr Duration OVERDRAWN{-250};
  static constexpr std::size_t MAX_OWN = 10000;
  static constexpr std::chrono::seconds SWEEP{1};

  struct Side {
    explicit Side(Time now) : all(MOST, SHARE, now), swept(now) {}
    TimeBucket all;
    std::unordered_map<std::string, TimeBucket> own;
    Time swept;
  };

  Side& side_of(For whom) { return whom == For::known ? known_ : strangers_; }

  /** @return null if there are too many: whoever comes then is not waited for */
  static TimeBucket* own_of(Side& side, const std::string& username, Time now) {
    const auto own = side.own.find(username);
    if (own != side.own.end()) return &own->second;
    if (side.own.size() >= MAX_OWN && now - side.swept >= SWEEP) {
      side.swept = now;
      // A full bucket is as good as none.
      for (auto entry = side.own.begin(); entry != side.own.end();) {
        entry = entry->second.is_full(now) ? side.own.erase(entry) : std::next(entry);
      }
    }
    if (side.own.size() >= MAX_OWN) return nullptr;
    return &side.own.emplace(username, TimeBucket(MOST_OF_ONE, SHARE_OF_ONE, now)).first->second;
  }

  Side known_;
  Side strangers_;
};

}  // namespace dockhook
