/** The `plugin_opt_…` lines of mosquitto.conf: one table of names, defaults and limits. */
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

#include "certificates.h"

struct mosquitto_opt;

namespace dockhook {

struct Options {
  /** `host:port` of the ExHook server. */
  std::string target;
  bool tls = false;
  Tls tls_files;
  /** What they held when the broker started. */
  Tls tls_pem;
  /** What the server is told as the broker's name. */
  std::string node;
  /** How long the broker may stand still for one answer. */
  std::chrono::milliseconds auth_wait{250};
  /** After this a call has failed. */
  std::chrono::milliseconds call_deadline{3000};
  /** How long an answer counts while the server cannot be asked. */
  std::chrono::seconds cache{600};
  /** How long an answer to "may it publish or subscribe there?" counts before it is asked again. */
  std::chrono::seconds acl{60};
  /** Messages of one client, and of all, that may wait for an answer. */
  std::size_t queue_per_client = 1000;
  std::size_t queue_total = 10000;
};

/** An option that cannot be used; the text names it and what is allowed. */
struct BadOption : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/** @throws BadOption for one that is unknown, twice there, missing or out of its limits */
Options read_options(const mosquitto_opt* given, int count);

/** Whether it is this machine itself, whose network nobody else reads. */
bool is_loopback(const std::string& target);

}  // namespace dockhook
