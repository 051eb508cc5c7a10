/**
 * The wire: a gRPC client of `emqx.exhook.v3.HookProvider` that sends what EMQX sends and takes the answers as EMQX
 * does. It knows neither the broker nor when to ask. Answers arrive on threads of gRPC.
 */
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client.h"
#include "options.h"

namespace dockhook {

enum class Action { publish, subscribe };

/** What comes of a question about a client. */
enum class Verdict {
  yes,
  no,
  /** IGNORE: others may decide. */
  not_ours,
  /** The server is not there; it failed at once. */
  unreachable,
  /** No usable answer, or none before the deadline. */
  failed,
};

/** A published message. */
struct Message {
  ClientPtr client;
  std::string topic;
  std::string payload;
  int qos = 0;
  /** Whether it is kept for later subscribers, if it is passed on. */
  bool retain = false;
};

/** What becomes of a published message. */
struct PublishAnswer {
  enum Kind { pass, drop, replace, failed } kind = failed;
  /** Of `replace`. */
  std::string topic;
  std::string payload;
  std::uint32_t qos = 0;
};

/** What the server asks to be told: the answer to OnProviderLoaded. */
struct Hooks {
  bool authenticate = false;
  bool authorize = false;
  bool connected = false;
  bool disconnected = false;
  bool publish = false;
  /** Filters of `message.publish`; none = all topics. */
  std::vector<std::string> topics;
};

/** Why there is no Hooks, for people. */
struct LoadFailure {
  std::string reason;
};

class Exhook {
 public:
  /** Starts to connect; all signals must be blocked, for it makes threads. */
  explicit Exhook(const Options& options);
  ~Exhook();
  Exhook(const Exhook&) = delete;
  Exhook& operator=(const Exhook&) = delete;

  void authenticate(const Client& client, const std::string& password, std::function<void(Verdict)> done);
  void authorize(const Client& client, Action action, const std::string& topic, std::function<void(Verdict)> done);
  void publish(const Message& message, std::function<void(PublishAnswer)> done);
  void connected(const Client& client, std::function<void()> done);
  /** @param reason in EMQX's words where there is one: `takenover`, `discarded` */
  void disconnected(const Client& client, const std::string& reason, std::function<void()> done);

  // As far as `free_unused`: for one thread, of ours.

  /** Whether the connection stands; tries to make it. */
  bool is_connected();
  /** Returns when the connection is in another state than connected (or not connected), or the time is over. */
  void wait_while(bool connected, std::chrono::milliseconds at_most);
  /** OnProviderLoaded. Blocks. @return nothing, with `failure` filled, if the answer cannot be used */
  std::optional<Hooks> load(LoadFailure& failure);
  /** Whether anything answers within this time, be it an error. Blocks. */
  bool probe(std::chrono::milliseconds at_most);
  /** Why there is no connection, in gRPC's words; empty if there is one, or it does not say. Blocks. */
  std::string fault(std::chrono::milliseconds at_most);
  /**
   * Connects anew, with other certificates, if the server answers to them. Calls under way end on the connection they
   * began on. Blocks.
   * @param refusal filled with gRPC's words if it does not
   * @return whether the certificates are in use
   */
  bool renew(const Tls& pem, std::chrono::milliseconds at_most, std::string& refusal);
  /** Closes connections that were replaced and on which no call is under way any more. */
  void free_unused();
  /** Breaks off all calls, those to come too, and waits until no callback runs any more. */
  void break_off();
  /** OnProviderUnloaded: a last word that may get lost. Blocks, for a short time. */
  void unload();

 private:
  struct Wire;
  std::unique_ptr<Wire> wire_;
};

}  // namespace dockhook
