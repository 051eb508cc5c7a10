/** Who may connect. */
#include "authentication.h"

#include <mosquitto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdexcept>

namespace dockhook {
namespace {

/** A dock that goes on with an old password costs one question in this time. */
constexpr std::chrono::seconds REFUSED_FOR{5};
constexpr std::size_t MAX_REFUSED = 10000;
constexpr std::chrono::seconds OWED_FOR{30};
/** Questions about strangers that are under way. */
constexpr std::size_t MAX_ASKING = 256;
/** The same about clients without a username, of which only dockhook's log gets anything. */
constexpr std::size_t MAX_NAMELESS = 32;
constexpr std::size_t MAX_KNOWN = 100000;
/** Client ids and usernames; a dock's has 14 characters. */
constexpr std::size_t MAX_NAME = 1024;

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    throw std::runtime_error("the system gives no random numbers");
  }
  return bytes;
}

std::string sha256(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 is not to be had");
  }
  return std::string(reinterpret_cast<char*>(digest), length);
}

}  // namespace

Authentication::Authentication(Exhook& exhook, Provider& provider, BoundedWait& wait, std::chrono::seconds cache)
    : exhook_(exhook), provider_(provider), wait_(wait), cache_(cache), salt_(random_bytes(32)) {}

Credentials Authentication::credentials(const Client& client, const std::string& password) const {
  std::string all = salt_;
  for (const auto* part : {&client.id, &client.username, &password, &client.cn, &client.dn}) {
    all += std::to_string(part->size()) + ":" + *part;
  }
  return sha256(all);
}

Verdict Authentication::check(const Client& client, const std::string& password, const Credentials& credentials) {
  const std::string refusal = credentials + client.peerhost;
  const auto refused = refused_.find(refusal);
  if (refused != refused_.end() && Clock::now() < refused->second) return Verdict::no;
  if (client.id.size() > MAX_NAME || client.username.size() > MAX_NAME) return Verdict::no;
  if (!provider_.serving()) return was_in_lately(credentials) ? Verdict::yes : Verdict::no;
  if (!provider_.hooks()->authenticate) return Verdict::no;
  // As EMQX: what a gRPC string cannot hold is not asked for.
  if (mosquitto_validate_utf8(password.c_str(), static_cast<int>(password.size())) != MOSQ_ERR_SUCCESS) {
    return Verdict::no;
  }
  if (client.username.empty()) {
    // dockhook lets nobody in without one. It is told, for its log, and not waited for.
    if (nameless_ < MAX_NAMELESS) {
      nameless_ += 1;
      wait_.ask_aside([&](auto done) { exhook_.authenticate(client, password, std::move(done)); },
                          [this](Verdict) { nameless_ -= 1; });
    }
    return Verdict::no;
  }
  if (take_owed(credentials)) return Verdict::yes;
  // However many strangers come, who was in before is asked about.
  const bool is_known = was_in_lately(credentials);
  if (is_known && wait_.is_overdrawn(client.username)) return Verdict::no;
  if ((!is_known && asking_.size() >= MAX_ASKING) || !asking_.insert(credentials).second) return Verdict::no;

  const auto verdict = wait_.ask(
      is_known ? BoundedWait::For::known : BoundedWait::For::stranger, client.username,
      [&](auto done) { exhook_.authenticate(client, password, std::move(done)); },
      [this, credentials, refusal](Verdict late) {
        settle(credentials, refusal, late);
        // The server's own yes, not what is made of its being away.
        if (late != Verdict::yes) return;
        known_[credentials].owed_until = Clock::now() + OWED_FOR;
        leave(credentials);
      });
  // Not in time is "no", whatever is known: most who wait that long have a wrong password.
  return verdict ? settle(credentials, refusal, *verdict) : Verdict::no;
}

/** Notes an answer. @return what it means for the client: yes, no or not_ours */
Verdict Authentication::settle(const Credentials& credentials, const std::string& refusal, Verdict verdict) {
  asking_.erase(credentials);
  switch (verdict) {
    case Verdict::yes:
      refused_.erase(refusal);
      if (known_.size() < MAX_KNOWN) known_.try_emplace(credentials);
      return Verdict::yes;
    case Verdict::no:
      known_.erase(credentials);
      if (refused_.size() >= MAX_REFUSED) refused_.clear();
      refused_[refusal] = Clock::now() + REFUSED_FOR;
      return Verdict::no;
    case Verdict::not_ours:
      known_.erase(credentials);
      return Verdict::not_ours;
    case Verdict::unreachable:
      return was_in_lately(credentials) ? Verdict::yes : Verdict::no;
    case Verdict::failed:
      return Verdict::no;
  }
  return Verdict::no;
}

bool Authentication::take_owed(const Credentials& credentials) {
  const auto entry = known_.find(credentials);
  if (entry == known_.end() || entry->second.owed_until <= Clock::now()) return false;
  entry->second.owed_until = {};
  return true;
}

bool Authentication::was_in_lately(const Credentials& credentials) const {
  const auto entry = known_.find(credentials);
  if (entry == known_.end()) return false;
  return entry->second.connections > 0 || Clock::now() < entry->second.left + cache_;
}

void Authentication::connected(const Credentials& credentials) {
  const auto entry = known_.find(credentials);
  if (entry != known_.end()) entry->second.connections += 1;
}

void Authentication::disconnected(const Credentials& credentials) {
  const auto entry = known_.find(credentials);
  if (entry == known_.end()) return;
  if (entry->second.connections > 0) entry->second.connections -= 1;
  leave(credentials);
}

/** Starts the time after which it is forgotten. */
void Authentication::leave(const Credentials& credentials) {
  const auto now = Clock::now();
  known_[credentials].left = now;
  left_.emplace_back(credentials, now);
  const auto keep = std::max<Clock::duration>(cache_, OWED_FOR);
  while (!left_.empty() && left_.front().second + keep < now) {
    const auto entry = known_.find(left_.front().first);
    if (entry != known_.end() && entry->second.connections == 0 && entry->second.left == left_.front().second) {
      known_.erase(entry);
    }
    left_.pop_front();
  }
}

}  // namespace dockhook
