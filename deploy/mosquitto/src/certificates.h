/** The PEM files of TLS to the server, and what can be wrong with them. */
#pragma once

#include <string>

namespace dockhook {

/** Paths of the files, or what they hold; empty = not given. */
struct Tls {
  std::string ca;
  std::string cert;
  std::string key;

  bool operator==(const Tls& other) const { return ca == other.ca && cert == other.cert && key == other.key; }
};

/** @return what they hold @throws BadOption if a file cannot be used, or certificate and key do not belong together */
Tls read_tls(const Tls& files);

/** @param cert what the file holds */
bool has_expired(const std::string& cert);

}  // namespace dockhook
