/**
 * What the server is told and asked without anybody waiting: messages, clients that came and went. One call at a time
 * per client, in the order of its acts; what a message becomes is published when the answer is there. Everything here
 * runs on the broker's thread.
 */
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <variant>

#include "authorization.h"
#include "exhook.h"
#include "inbox.h"
#include "log.h"
#include "options.h"
#include "provider.h"

namespace dockhook {

class Outbox {
 public:
  Outbox(Exhook& exhook, Provider& provider, Authorization& authorization, Inbox& inbox, const Options& options);

  /** Whether a message goes to the server, rather than straight on. */
  bool wants(const std::string& client_id, const std::string& topic) const;
  /**
   * @param authorized whether its client is known to be allowed to publish there; else that is asked first
   * @return false if too much waits: the message is not taken
   */
  bool publish(Message message, bool authorized);
  void connected(const ClientPtr& client);
  void disconnected(const ClientPtr& client, const std::string& reason);

 private:
  struct Connected {
    ClientPtr client;
  };
  struct Disconnected {
    ClientPtr client;
    std::string reason;
  };
  struct Published {
    Message message;
    bool authorized;
  };
  using Act = std::variant<Published, Connected, Disconnected>;

  bool add(const std::string& client_id, Act act);
  void start(const std::string& client_id);
  void ask(const std::string& client_id, const Message& message);
  void finish(const std::string& client_id, const PublishAnswer* answer);
  void apply(const Message& message, const PublishAnswer& answer);
  void publish_now(const std::string& topic, const std::string& payload, int qos, bool retain);

  Exhook& exhook_;
  Provider& provider_;
  Authorization& authorization_;
  Inbox& inbox_;
  const std::size_t most_per_client_;
  const std::size_t most_;
  /** By client id; the first act of each is under way. */
  std::unordered_map<std::string, std::deque<Act>> lines_;
  std::size_t waiting_ = 0;
  std::size_t waiting_bytes_ = 0;
  Seldom too_many_{std::chrono::seconds(10)};
  Seldom bad_answer_{std::chrono::seconds(10)};
};

}  // namespace dockhook
