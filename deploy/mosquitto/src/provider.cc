/** Watches the server. */
#include "provider.h"

#include <utility>

#include "channel.h"
#include "log.h"

namespace dockhook {
namespace {

/** Also how long the broker's end may have to wait for this thread. */
constexpr std::chrono::milliseconds TURN{100};
constexpr std::chrono::milliseconds PROBE_INTERVAL{1000};
/** A server with much to do may take a while; one that is frozen takes for ever. */
constexpr std::chrono::milliseconds PROBE_DEADLINE{1000};
constexpr std::chrono::milliseconds LOAD_AGAIN{300};
constexpr std::chrono::seconds SAY_WHY_AGAIN{10};
/** How often the files are looked at: as dockhook does, and while it is away, perhaps because of them. */
constexpr std::chrono::seconds LOOK_INTERVAL{10};
constexpr std::chrono::seconds LOOK_INTERVAL_AWAY{1};

}  // namespace

Provider::Provider(Exhook& exhook, Inbox& inbox, const Options& options)
    : exhook_(exhook),
      inbox_(inbox),
      target_(options.target),
      files_(options.tls_files),
      in_use_(options.tls_pem),
      looked_at_(std::chrono::steady_clock::now()),
      thread_([this] { watch(); }) {}

Provider::~Provider() {
  ended_ = true;
  thread_.join();
}

std::shared_ptr<const Hooks> Provider::hooks() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return hooks_;
}

void Provider::watch() {
  while (!ended_) {
    if (exhook_.is_connected()) {
      watch_connection();
    } else {
      serving_ = false;
      const std::string fault = exhook_.fault(PROBE_DEADLINE);
      if (ended_ || exhook_.is_connected() || follow_files()) continue;
      const std::string expired = has_expired(in_use_.cert) ? "; the certificate of plugin_opt_tls_cert has expired" : "";
      set_serving(false, "cannot be reached", fault.empty() ? "" : explain(fault) + expired);
      exhook_.wait_while(false, TURN);
    }
  }
}

/** Returns when it is gone, or another has taken its place. */
void Provider::watch_connection() {
  while (!load()) {
    const auto until = std::chrono::steady_clock::now() + LOAD_AGAIN;
    while (std::chrono::steady_clock::now() < until) {
      if (ended_ || !exhook_.is_connected() || follow_files()) return;
      exhook_.wait_while(true, TURN);
    }
  }
  set_serving(true, "serves");
  auto next_probe = std::chrono::steady_clock::now() + PROBE_INTERVAL;
  while (!ended_ && exhook_.is_connected()) {
    exhook_.wait_while(true, TURN);
    if (follow_files()) return;
    if (std::chrono::steady_clock::now() < next_probe || ended_) continue;
    const bool answered = exhook_.probe(PROBE_DEADLINE);
    set_serving(answered, answered ? "serves" : "does not answer");
    next_probe = std::chrono::steady_clock::now() + PROBE_INTERVAL;
  }
}

/** @return whether there is a new connection, with what the files hold now */
bool Provider::follow_files() {
  exhook_.free_unused();
  const auto now = std::chrono::steady_clock::now();
  const bool is_connected = exhook_.is_connected();
  if (!look_.exchange(false) && now - looked_at_ < (is_connected ? LOOK_INTERVAL : LOOK_INTERVAL_AWAY)) return false;
  looked_at_ = now;
  std::string fault;
  try {
    const Tls pem = read_tls(files_);
    if (pem == in_use_) {
      said_of_files_.clear();
      return false;
    }
    std::string refusal;
    if (exhook_.renew(pem, PROBE_DEADLINE, refusal)) {
      in_use_ = pem;
      said_of_files_.clear();
      inbox_.post([] { log_notice("the files of plugin_opt_tls_… have changed: what they hold now is in use"); });
      return true;
    }
    // That it is away is said elsewhere.
    if (!is_connected) return false;
    fault = "the files of plugin_opt_tls_… have changed, and " + target_ + " does not answer with what they hold now: " +
            explain(refusal);
  } catch (const BadOption& error) {
    fault = error.what();
  }
  if (fault != said_of_files_) {
    inbox_.post([fault] { log_error(fault + ". What they held before stays in use"); });
  }
  said_of_files_ = fault;
  return false;
}

bool Provider::load() {
  LoadFailure failure;
  auto hooks = exhook_.load(failure);
  if (!hooks) {
    set_serving(false, "cannot be used", failure.reason);
    return false;
  }
  const bool lacks = !hooks->authenticate || !hooks->authorize;
  const bool everything = hooks->publish && hooks->topics.empty();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    hooks_ = std::make_shared<const Hooks>(std::move(*hooks));
  }
  if (lacks || everything) {
    inbox_.post([this, lacks] {
      log_warning(target_ + (lacks ? " does not ask for client.authenticate and client.authorize: nobody can be let in"
                                   : " asks for all topics: each message, telemetry too, goes to it and back"));
    });
  }
  return true;
}

void Provider::set_serving(bool serving, const std::string& what, const std::string& why) {
  serving_ = serving;
  // Said when it changes; of several reasons by turns, not all the time.
  const auto now = std::chrono::steady_clock::now();
  if (what == said_ && (why.empty() || why == said_why_ || now < say_why_)) return;
  said_ = what;
  said_why_ = why;
  say_why_ = now + SAY_WHY_AGAIN;
  inbox_.post([line = "the ExHook server " + target_ + " " + what + (why.empty() ? "" : ": " + why), serving] {
    if (serving) {
      log_notice(line);
    } else {
      log_error(line + ". Until it does, who was in lately may come back, and nobody else is let in");
    }
  });
}

}  // namespace dockhook
