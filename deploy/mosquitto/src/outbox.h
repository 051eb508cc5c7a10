/**
 * What the server is told and asked without anybody waiting: messages, clients that came and went. One call at a time
 * per client, in the order of its acts; what a message becomes is published when the answer is there. Of what may wait,
 * one username gets a tenth; news of who came and went has a place of its own. Everything here runs on the broker's
 * thread.
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

  /** Whether the server asks for messages on this topic, there or not. */
  bool is_asked_for(const std::string& topic) const;
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
  /** What waits for an answer. */
  struct Load {
    std::size_t messages = 0;
    std::size_t bytes = 0;
    std::size_t news = 0;

    Load operator+(const Load& more) const;
    Load operator-(const Load& less) const;
    bool is_within(const Load& most) const;
  };

  static const Client& client_of(const Act& act);
  static Load load_of(const Act& act);
  bool add(Act act);
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
  const Load most_;
  const Load most_per_username_;
  /** By client id; the first act of each is under way. */
  std::unordered_map<std::string, std::deque<Act>> lines_;
  Load waiting_;
  std::unordered_map<std::string, Load> waiting_of_;
  Seldom too_many_{std::chrono::seconds(10)};
  Seldom bad_answer_{std::chrono::seconds(10)};
};

}  // namespace dockhook
