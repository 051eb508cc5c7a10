/** The `plugin_opt_…` lines of mosquitto.conf. */
#include "options.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <charconv>
#include <functional>
#include <map>
#include <set>

#include "broker.h"

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

const std::string DIGITS = "0123456789";

bool is_ipv4(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& host) {
  in6_addr address;
  return host.size() > 2 && host.front() == '[' && host.back() == ']' &&
         inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
}

/** With `_`, for Docker Compose knows services by such names. */
bool is_host_name(const std::string& host) {
  const std::string others = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.";
  // What ends in a number is an address, or a mistake in one.
  return host.find_first_not_of(DIGITS + others) == std::string::npos &&
         host.find_first_not_of(DIGITS, host.find_last_of('.') + 1) != std::string::npos;
}

/** `http://host:port` or `https://host:port`, as EMQX takes it. */
void read_url(const std::string& value, Options& options) {
  const std::string plain = "http://";
  const std::string secure = "https://";
  options.tls = value.compare(0, secure.size(), secure) == 0;
  const auto start = (options.tls ? secure : plain).size();
  const bool known = options.tls || value.compare(0, start, plain) == 0;
  std::string rest = known ? value.substr(start) : "";
  if (!rest.empty() && rest.back() == '/') rest.pop_back();
  const auto colon = rest.rfind(':');
  const std::string host = rest.substr(0, colon);
  const std::string port = colon == std::string::npos ? "" : rest.substr(colon + 1);
  if (host.empty() || port.empty() || port.size() > 5 || port.find_first_not_of(DIGITS) != std::string::npos) {
    throw BadOption(line_of("url") + " " + value + ": must be http://HOST:PORT or https://HOST:PORT");
  }
  if (!is_ipv4(host) && !is_ipv6(host) && !is_host_name(host)) {
    throw BadOption(line_of("url") + " " + value + ": " + host +
                    " is no host: it must be a name, an IPv4 address, or an IPv6 address in brackets");
  }
  number("url", port, 1, 65535);
  options.target = rest;
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
      {"tls_ca", [&](auto&, auto& value) { options.tls_files.ca = value; }},
      {"tls_cert", [&](auto&, auto& value) { options.tls_files.cert = value; }},
      {"tls_key", [&](auto&, auto& value) { options.tls_files.key = value; }},
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
  const Tls& files = options.tls_files;
  if (files.cert.empty() != files.key.empty()) {
    throw BadOption(line_of("tls_cert") + " and " + line_of("tls_key") + " belong together: one is missing");
  }
  if (!options.tls && !(files.ca.empty() && files.cert.empty())) {
    throw BadOption(line_of("tls_…") + " without TLS: " + line_of("url") + " must begin with https://");
  }
  options.tls_pem = read_tls(files);
  if (options.node.empty()) options.node = "mosquitto@" + host_name();
  return options;
}

bool is_loopback(const std::string& target) {
  const std::string host = target.substr(0, target.rfind(':'));
  return host == "localhost" || host == "[::1]" || (is_ipv4(host) && host.compare(0, 4, "127.") == 0);
}

}  // namespace dockhook
