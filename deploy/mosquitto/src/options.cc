/** The `plugin_opt_…` lines of mosquitto.conf. */
#include "options.h"

#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

namespace dockhook {
namespace {

std::string line_of(const std::string& key) { return "plugin_opt_" + key; }

long number(const std::string& key, const std::string& value, long least, long most) {
  long result = 0;
  const char* end = value.data() + value.size();
  const auto [stop, fault] = std::from_chars(value.data(), end, result);
  if (fault != std::errc{} || stop != end || result < least || result > most) {
    throw BadOption(line_of(key) + " " + value + ": must be a whole number from " + std::to_string(least) + " to " +
                    std::to_string(most));
  }
  return result;
}

std::string contents(const std::string& key, const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf())) {
    throw BadOption(line_of(key) + " " + file + ": cannot be read (" + std::strerror(errno) +
                    "); it must be a PEM file that the broker's user may read");
  }
  return text.str();
}

/** `http://host:port` or `https://host:port`, as EMQX takes it. */
void read_url(const std::string& value, Options& options) {
  const std::string plain = "http://";
  const std::string secure = "https://";
  options.tls = value.compare(0, secure.size(), secure) == 0;
  const bool known = options.tls || value.compare(0, plain.size(), plain) == 0;
  options.target = known ? value.substr((options.tls ? secure : plain).size()) : "";
  if (!options.target.empty() && options.target.back() == '/') options.target.pop_back();
  const auto colon = options.target.rfind(':');
  const bool complete = colon != std::string::npos && colon > 0 && options.target.find('/') == std::string::npos &&
                        options.target.find('@') == std::string::npos;
  if (!complete) throw BadOption(line_of("url") + " " + value + ": must be http://HOST:PORT or https://HOST:PORT");
  number("url", options.target.substr(colon + 1), 1, 65535);
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

}  // namespace

Options read_options(const mosquitto_opt* given, int count) {
  Options options;
  const std::map<std::string, std::function<void(const std::string& key, const std::string& value)>> table = {
      {"url", [&](auto&, auto& value) { read_url(value, options); }},
      {"tls_ca", [&](auto& key, auto& value) { options.tls_ca = contents(key, value); }},
      {"tls_cert", [&](auto& key, auto& value) { options.tls_cert = contents(key, value); }},
      {"tls_key", [&](auto& key, auto& value) { options.tls_key = contents(key, value); }},
      {"node", [&](auto&, auto& value) { options.node = value; }},
      // Mosquitto 2.0 cannot put a client's login off: whatever is waited, the whole broker waits.
      {"auth_wait_ms",
       [&](auto& key, auto& value) { options.auth_wait = std::chrono::milliseconds(number(key, value, 10, 250)); }},
      {"call_deadline_ms",
       [&](auto& key, auto& value) {
         options.call_deadline = std::chrono::milliseconds(number(key, value, 500, 30000));
       }},
      {"cache_seconds",
       [&](auto& key, auto& value) { options.cache = std::chrono::seconds(number(key, value, 0, 86400)); }},
      {"acl_seconds", [&](auto& key, auto& value) { options.acl = std::chrono::seconds(number(key, value, 1, 3600)); }},
      {"queue_per_client",
       [&](auto& key, auto& value) {
         options.queue_per_client = static_cast<std::size_t>(number(key, value, 1, 100000));
       }},
      {"queue_total",
       [&](auto& key, auto& value) { options.queue_total = static_cast<std::size_t>(number(key, value, 1, 1000000)); }},
  };

  std::set<std::string> seen;
  for (int i = 0; i < count; i += 1) {
    const std::string key = given[i].key;
    const auto entry = table.find(key);
    if (entry == table.end()) {
      std::string names;
      for (const auto& [name, read] : table) names += (names.empty() ? "" : ", ") + name;
      throw BadOption(line_of(key) + ": there is no such option. There are: " + names);
    }
    if (!seen.insert(key).second) throw BadOption(line_of(key) + ": stands there twice");
    entry->second(key, given[i].value == nullptr ? "" : given[i].value);
  }

  if (options.target.empty()) throw BadOption(line_of("url") + " is missing: http://HOST:PORT or https://HOST:PORT");
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    throw BadOption(line_of("tls_cert") + " and " + line_of("tls_key") + " belong together: one is missing");
  }
  if (!options.tls && !(options.tls_ca.empty() && options.tls_cert.empty())) {
    throw BadOption(line_of("tls_…") + " without TLS: " + line_of("url") + " must begin with https://");
  }
  if (options.node.empty()) options.node = "mosquitto@" + host_name();
  return options;
}

bool is_loopback(const std::string& target) {
  const std::string host = target.substr(0, target.rfind(':'));
  return host == "localhost" || host == "[::1]" || host.compare(0, 4, "127.") == 0;
}

}  // namespace dockhook
