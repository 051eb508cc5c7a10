/**
 * The topic filters that one client was granted. To find the one that matches a topic costs the same however many there
 * are, for it is done on each delivery: filters stand in a hash set, and those with wildcards are looked up once per
 * shape. `thing/+/osd` and `sys/+/state` have the same shape; a client has few.
 */
#pragma once

#include <map>
#include <string>
#include <unordered_set>

namespace dockhook {

class Grants {
 public:
  /** A filter that was granted before stays. @return false if it would be of one shape too many */
  bool add(const std::string& filter);
  /** @return whether it was granted */
  bool remove(const std::string& filter);
  bool has(const std::string& filter) const { return filters_.count(filter) > 0; }
  const std::unordered_set<std::string>& all() const { return filters_; }
  /** @return a filter that matches, one without wildcards first; null if there is none */
  const std::string* find(const std::string& topic) const;

 private:
  std::unordered_set<std::string> filters_;
  /** How many filters have which shape, of those with wildcards: one character per level. */
  std::map<std::string, std::size_t> shapes_;
};

}  // namespace dockhook
