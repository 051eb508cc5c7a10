/** Which granted filter matches a topic: as the broker itself says, for random filters and topics. */
#include "grants.h"

#include <mosquitto.h>

#include <random>
#include <set>

#include "check.h"

namespace {

std::mt19937 dice(20261124);

std::string one_of(std::initializer_list<const char*> texts) {
  return *(texts.begin() + std::uniform_int_distribution<std::size_t>(0, texts.size() - 1)(dice));
}

std::string levels(bool is_filter) {
  std::string text = one_of({"a", "b", "", "$a"});
  if (is_filter) text = one_of({text.c_str(), "+", "#"});
  while (text.back() != '#' && one_of({"more", "more", "end"}) == "more") {
    text += '/' + (is_filter ? one_of({"a", "b", "", "+", "#"}) : one_of({"a", "b", ""}));
  }
  return text.empty() ? "/" : text;
}

/** From Mosquitto's own library. */
bool matches(const std::string& filter, const std::string& topic) {
  bool result = false;
  return mosquitto_topic_matches_sub(filter.c_str(), topic.c_str(), &result) == MOSQ_ERR_SUCCESS && result;
}

void finds_what_the_broker_finds() {
  for (int round = 0; round < 20000; round += 1) {
    dockhook::Grants grants;
    std::set<std::string> granted;
    for (int i = 0; i < 4; i += 1) {
      const std::string filter = levels(true);
      if (grants.add(filter)) granted.insert(filter);
    }
    const std::string removed = *granted.begin();
    grants.remove(removed);
    granted.erase(removed);
    const std::string topic = levels(false);
    bool expected = false;
    std::string all;
    for (const auto& filter : granted) {
      expected = expected || matches(filter, topic);
      all += " " + filter;
    }
    const std::string* const found = grants.find(topic);
    expect((found != nullptr) == expected,
           topic + (expected ? " matches one of" : " matches none of") + all + " (found " + (found ? *found : "none") + ")");
    if (found != nullptr) expect(granted.count(*found) == 1 && matches(*found, topic), topic + " is matched by " + *found);
    if (failures > 5) return;
  }
}

/** `a/+/a`, …: as many shapes as there are numbers. */
std::string of_shape(int number) {
  std::string filter = "a";
  for (int bits = number; bits > 0; bits /= 2) filter += bits % 2 == 1 ? "/+" : "/a";
  return filter;
}

void has_few_shapes_and_many_filters() {
  dockhook::Grants grants;
  for (int i = 1; i <= 32; i += 1) expect(grants.add(of_shape(i)), of_shape(i) + " is granted");
  expect(!grants.add(of_shape(33)), "a 33rd shape is refused");
  expect(!grants.has(of_shape(33)), "what was refused is not there");
  for (int i = 0; i < 10000; i += 1) expect(grants.add("b/" + std::to_string(i)), "a filter without wildcards is granted");
  for (int i = 0; i < 10000; i += 1) expect(grants.add(std::to_string(i) + "/+"), "one of a known shape is granted");
  expect(grants.remove(of_shape(7)) && grants.add(of_shape(33)), "a shape that is gone leaves its place");
}

}  // namespace

int main() {
  finds_what_the_broker_finds();
  has_few_shapes_and_many_filters();
  return result();
}
