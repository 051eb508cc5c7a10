/** The topic filters that one client was granted. */
#include "grants.h"

#include <string_view>
#include <vector>

namespace dockhook {
namespace {

/** DJI's protocol has two, `thing/product/+/osd` and `thing/product/SN/#`. */
constexpr std::size_t MAX_SHAPES = 32;

std::vector<std::string_view> levels_of(std::string_view topic) {
  std::vector<std::string_view> levels;
  for (;;) {
    const auto slash = topic.find('/');
    levels.push_back(topic.substr(0, slash));
    if (slash == std::string_view::npos) return levels;
    topic.remove_prefix(slash + 1);
  }
}

bool has_wildcard(const std::string& filter) { return filter.find_first_of("+#") != std::string::npos; }

/** `=` for a level that must be there as it is, else its wildcard. */
std::string shape_of(const std::string& filter) {
  std::string shape;
  for (const auto level : levels_of(filter)) shape += level == "+" || level == "#" ? level.front() : '=';
  return shape;
}

/** The only filter of this shape that matches this topic; empty if none can. */
std::string filter_for(const std::string& shape, const std::vector<std::string_view>& levels) {
  const bool open = shape.back() == '#';
  // `a/#` matches `a` too.
  if (open ? levels.size() + 1 < shape.size() : levels.size() != shape.size()) return "";
  std::string filter;
  for (std::size_t i = 0; i < shape.size(); i += 1) {
    if (i > 0) filter += '/';
    if (shape[i] == '=') {
      filter += levels[i];
    } else {
      filter += shape[i];
    }
  }
  return filter;
}

}  // namespace

bool Grants::add(const std::string& filter) {
  if (has(filter)) return true;
  if (has_wildcard(filter)) {
    const std::string shape = shape_of(filter);
    if (shapes_.size() >= MAX_SHAPES && shapes_.count(shape) == 0) return false;
    shapes_[shape] += 1;
  }
  filters_.insert(filter);
  return true;
}

bool Grants::remove(const std::string& filter) {
  if (filters_.erase(filter) == 0) return false;
  if (has_wildcard(filter)) {
    const auto shape = shapes_.find(shape_of(filter));
    shape->second -= 1;
    if (shape->second == 0) shapes_.erase(shape);
  }
  return true;
}

const std::string* Grants::find(const std::string& topic) const {
  const auto exact = filters_.find(topic);
  if (exact != filters_.end()) return &*exact;
  const auto levels = levels_of(topic);
  for (const auto& [shape, count] : shapes_) {
    // MQTT 5, 4.7.2: a wildcard in the first level matches no topic that begins with `$`.
    if (topic[0] == '$' && shape[0] != '=') continue;
    const auto found = filters_.find(filter_for(shape, levels));
    if (found != filters_.end()) return &*found;
  }
  return nullptr;
}

}  // namespace dockhook
