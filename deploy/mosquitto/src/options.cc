/** The `plugin_opt_…` lines of mosquitto.conf. */
#include "options.h"

#include <arpa/inet.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>

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
  if (!stream) {
    throw BadOption(line_of(key) + " " + file + ": cannot be read by the broker's user (" + std::strerror(errno) + ")");
  }
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate parse_certificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
}

std::string certificate(const std::string& key, const std::string& file) {
  std::string pem = contents(key, file);
  if (!parse_certificate(pem)) throw BadOption(line_of(key) + " " + file + ": holds no certificate in PEM form");
  return pem;
}

/** gRPC would say nothing of a key that is not the certificate's, and never connect. */
bool belong_together(const std::string& cert, const std::string& key) {
  const Bio bio(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())), BIO_free);
  // The last argument: no passphrase, so that nobody is asked for one.
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>("")), EVP_PKEY_free);
  return pair && X509_check_private_key(parse_certificate(cert).get(), pair.get()) == 1;
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
      {"tls_ca", [&](auto& key, auto& value) { options.tls_ca = certificate(key, value); }},
      {"tls_cert", [&](auto& key, auto& value) { options.tls_cert = certificate(key, value); }},
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
  if (!options.tls_cert.empty() && !belong_together(options.tls_cert, options.tls_key)) {
    throw BadOption(line_of("tls_key") + ": is not the key of " + line_of("tls_cert") +
                    ", in PEM form and without a passphrase");
  }
  if (!options.tls && !(options.tls_ca.empty() && options.tls_cert.empty())) {
    throw BadOption(line_of("tls_…") + " without TLS: " + line_of("url") + " must begin with https://");
  }
  if (options.node.empty()) options.node = "mosquitto@" + host_name();
  return options;
}

bool is_loopback(const std::string& target) {
  const std::string host = target.substr(0, target.rfind(':'));
  return host == "localhost" || host == "[::1]" || (is_ipv4(host) && host.compare(0, 4, "127.") == 0);
}

}  // namespace dockhook
