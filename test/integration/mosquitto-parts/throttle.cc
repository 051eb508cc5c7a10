/** For how long, and for whose sake, the broker stands still: on a clock that the test turns. */
#include "throttle.h"

#include "check.h"

namespace {

using dockhook::Throttle;
using Milliseconds = Throttle::Duration;
using For = Throttle::For;

/** A broker that is asked by turns, and its throttle. */
class Broker {
 public:
  /** One question whose answer takes this long. @return how long the broker stood still for it */
  Milliseconds ask(For whom, const std::string& username, Milliseconds answer) {
    const auto waited = std::min({answer, LONGEST, throttle_.left(whom, username, now_)});
    pass(waited);
    throttle_.spend(whom, username, waited, waited == answer, now_);
    return waited;
  }
  bool is_overdrawn(const std::string& username) { return throttle_.is_overdrawn(username, now_); }
  /** A question that nobody waits for, and what it takes to ask. */
  void ask_aside(const std::string& username, Milliseconds cost) {
    pass(cost);
    throttle_.spend(For::known, username, cost, false, now_);
  }
  void pass(Milliseconds time) { now_ += std::chrono::duration_cast<Throttle::Time::duration>(time); }
  Throttle::Time now() const { return now_; }

 private:
  static constexpr Milliseconds LONGEST{250};
  Throttle::Time now_{};
  Throttle throttle_{now_};
};

/** Asks without a pause for a minute. @return the time that the broker stood still */
template <typename Question>
Milliseconds minute(Broker& broker, Question question) {
  const auto until = broker.now() + std::chrono::minutes(1);
  Milliseconds stood{0};
  for (int i = 0; broker.now() < until; i += 1) {
    stood += question(i);
    broker.pass(Milliseconds(0.1));
  }
  return stood;
}

std::string in_ms(Milliseconds time) { return std::to_string(time.count()) + " ms"; }

void strangers_together_take_a_tenth() {
  for (const double answer : {30.0, 300.0, 10000.0}) {
    Broker broker;
    const auto stood = minute(broker, [&](int i) {
      return broker.ask(For::stranger, "stranger" + std::to_string(i), Milliseconds(answer));
    });
    expect(stood < Milliseconds(7100), "strangers stop the broker for 7.1 s of a minute at most, not " + in_ms(stood));
    expect(stood > Milliseconds(6000), "strangers are waited for, for more than " + in_ms(stood));
  }
}

void strangers_cost_a_known_client_nothing() {
  Broker broker;
  minute(broker, [&](int) { return broker.ask(For::stranger, "dock", Milliseconds(300)); });
  expect(broker.ask(For::known, "dock", Milliseconds(200)) == Milliseconds(200), "a known dock is waited for");
}

void one_username_takes_a_twentieth_however_quick_its_answers() {
  for (const For whom : {For::known, For::stranger}) {
    for (const double answer : {1.0, 20.0, 300.0}) {
      Broker broker;
      const auto stood = minute(broker, [&](int) { return broker.ask(whom, "greedy", Milliseconds(answer)); });
      expect(stood < Milliseconds(3600), "one username stops the broker for 3.6 s of a minute at most, not " + in_ms(stood));
      expect(broker.ask(whom, "other", Milliseconds(20)) == Milliseconds(20), "another is waited for");
    }
  }
}

void quick_answers_of_many_are_free() {
  Broker broker;
  minute(broker, [&](int i) { return broker.ask(For::known, "dock" + std::to_string(i % 5000), Milliseconds(2)); });
  expect(broker.ask(For::known, "newcomer", Milliseconds(200)) == Milliseconds(200), "there is time left for others");
}

void asking_too_much_without_waiting_overdraws() {
  Broker broker;
  int asked = 0;
  minute(broker, [&](int) {
    if (broker.is_overdrawn("greedy")) return Milliseconds(0);
    asked += 1;
    broker.ask_aside("greedy", Milliseconds(0.3));
    return Milliseconds(0.3);
  });
  expect(asked > 2500 && asked < 13000, "a question that nobody waits for is paid for too: " + std::to_string(asked));
  expect(!broker.is_overdrawn("other"), "nobody else is overdrawn");
  broker.pass(std::chrono::seconds(10));
  expect(broker.ask(For::known, "greedy", Milliseconds(200)) == Milliseconds(200), "it is waited for again after a pause");
}

void one_with_an_empty_bucket_leaves_that_of_all_alone() {
  Broker broker;
  minute(broker, [&](int) { return broker.ask(For::known, "greedy", Milliseconds(300)); });
  minute(broker, [&](int) {
    broker.ask_aside("greedy", Milliseconds(0.3));
    return Milliseconds(0.3);
  });
  expect(broker.ask(For::known, "dock", Milliseconds(200)) == Milliseconds(200), "another is waited for in full");
}

void a_debt_is_paid_off_in_seconds() {
  Broker broker;
  for (int i = 0; i < 100000; i += 1) broker.ask_aside("greedy", Milliseconds(1));
  broker.pass(std::chrono::seconds(25));
  expect(broker.ask(For::known, "greedy", Milliseconds(200)) == Milliseconds(200), "it is waited for after 25 s");
}

void more_usernames_than_there_is_room_for_are_not_waited_for() {
  Broker broker;
  for (int i = 0; i < 10000; i += 1) broker.ask(For::stranger, "stranger" + std::to_string(i), Milliseconds(0.01));
  expect(broker.ask(For::stranger, "one too many", Milliseconds(1)) == Milliseconds(0), "there is no bucket for it");
  expect(broker.ask(For::known, "dock", Milliseconds(1)) == Milliseconds(1), "a known dock has one");
  broker.pass(std::chrono::seconds(2));
  expect(broker.ask(For::stranger, "one too many", Milliseconds(1)) == Milliseconds(1), "full buckets make room");
}

}  // namespace

int main() {
  strangers_together_take_a_tenth();
  strangers_cost_a_known_client_nothing();
  one_username_takes_a_twentieth_however_quick_its_answers();
  quick_answers_of_many_are_free();
  asking_too_much_without_waiting_overdraws();
  one_with_an_empty_bucket_leaves_that_of_all_alone();
  a_debt_is_paid_off_in_seconds();
  more_usernames_than_there_is_room_for_are_not_waited_for();
  return result();
}
