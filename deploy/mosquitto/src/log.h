/** Lines in the broker's log. The broker's log belongs to its own thread: so do these functions. */
#pragma once

#include <chrono>
#include <string>

namespace dockhook {

/** @param text must not hold passwords; names in it come from clients */
void log_error(const std::string& text);
void log_warning(const std::string& text);
void log_notice(const std::string& text);

/** Lets one line through per interval, and counts the rest: strangers must not fill the log. */
class Seldom {
 public:
  explicit Seldom(std::chrono::seconds interval) : interval_(interval) {}

  /** Logs as a warning, or not at all. */
  void warn(const std::string& text);

 private:
  const std::chrono::seconds interval_;
  std::chrono::steady_clock::time_point next_{};
  unsigned long held_back_ = 0;
};

}  // namespace dockhook
