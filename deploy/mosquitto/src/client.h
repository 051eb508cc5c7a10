/** What the broker knows of a client, in ExHook's words. */
#pragma once

#include <memory>
#include <string>

struct mosquitto;

namespace dockhook {

/** Not said = empty. Mosquitto 2.0 tells neither of the client's port nor of the listener's. */
struct Client {
  std::string id;
  std::string username;
  std::string peerhost;
  /** Common name and distinguished name of its TLS certificate, where the listener demands one. */
  std::string cn;
  std::string dn;
};

using ClientPtr = std::shared_ptr<const Client>;

/** Reads a connected or connecting client. */
ClientPtr read_client(const mosquitto* connection);

}  // namespace dockhook
