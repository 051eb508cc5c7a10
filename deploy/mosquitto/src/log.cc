/** Lines in the broker's log. */
#include "log.h"

#include "broker.h"

namespace dockhook {
namespace {

void log_line(int level, const std::string& text) { mosquitto_log_printf(level, "dockhook: %s", text.c_str()); }

}  // namespace

void log_error(const std::string& text) { log_line(MOSQ_LOG_ERR, text); }
void log_warning(const std::string& text) { log_line(MOSQ_LOG_WARNING, text); }
void log_notice(const std::string& text) { log_line(MOSQ_LOG_NOTICE, text); }

void Seldom::warn(const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) {
    held_back_ += 1;
    return;
  }
  next_ = now + interval_;
  const std::string more = held_back_ == 0 ? "" : " (and " + std::to_string(held_back_) + " more like it)";
  held_back_ = 0;
  log_warning(text + more);
}

}  // namespace dockhook
