/** The wire. */
#include "exhook.h"

#include <grpc/grpc.h>
#include <mosquitto.h>

#include <cstdlib>
#include <ctime>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "wire.h"

namespace dockhook {
namespace {

/** What EMQX can mount; one unknown name and EMQX rejects the whole list. */
const std::set<std::string> HOOK_POINTS = {
    "client.connect",       "client.connack",       "client.connected",    "client.disconnected",
    "client.authenticate",  "client.authorize",     "client.subscribe",    "client.unsubscribe",
    "session.created",      "session.subscribed",   "session.unsubscribed", "session.resumed",
    "session.discarded",    "session.takenover",    "session.terminated",  "message.publish",
    "message.delivered",    "message.acked",        "message.dropped"};

constexpr std::chrono::milliseconds LOAD_DEADLINE{1000};
constexpr std::chrono::milliseconds UNLOAD_DEADLINE{500};
constexpr std::chrono::milliseconds GRPC_END{1000};

/** EMQX's form of a message id: 32 hexadecimal digits. */
std::string new_id() {
  static const char digits[] = "0123456789ABCDEF";
  static thread_local std::mt19937_64 random{std::random_device{}()};
  std::string id(32, '0');
  for (int half = 0; half < 2; half += 1) {
    auto bits = random();
    for (int i = 0; i < 16; i += 1, bits >>= 4) id[static_cast<std::size_t>(half * 16 + i)] = digits[bits & 15];
  }
  return id;
}

std::string now_as_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[32] = {};
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/** Anything but a clear yes, or "not ours", is no. */
Verdict verdict_of(const grpc::Status& status, const v3::ValuedResponse& answer) {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return Verdict::unreachable;
  if (!status.ok()) return Verdict::failed;
  if (answer.type() == v3::ValuedResponse::IGNORE) return Verdict::not_ours;
  return answer.value_case() == v3::ValuedResponse::kBoolResult && answer.bool_result() ? Verdict::yes : Verdict::no;
}

/** Whether the server said something, be it an error. */
bool is_answer(const grpc::Status& status) {
  const auto code = status.error_code();
  return code != grpc::StatusCode::DEADLINE_EXCEEDED && code != grpc::StatusCode::UNAVAILABLE &&
         code != grpc::StatusCode::CANCELLED;
}

/** EMQX reads topic, payload, QoS and the header `allow_publish`, and nothing else. */
PublishAnswer publish_answer_of(const grpc::Status& status, v3::ValuedResponse& answer) {
  if (!status.ok()) return {};
  if (answer.type() == v3::ValuedResponse::IGNORE || !answer.has_message()) return {PublishAnswer::pass, {}, {}, 0};
  v3::Message& message = *answer.mutable_message();
  const auto allowed = message.headers().find("allow_publish");
  if (allowed != message.headers().end() && allowed->second == "false") return {PublishAnswer::drop, {}, {}, 0};
  return {PublishAnswer::replace, std::move(*message.mutable_topic()), std::move(*message.mutable_payload()),
          message.qos()};
}

}  // namespace

Exhook::Exhook(const Options& options) {
  // Else it writes each failed TLS handshake to stderr, twice a second; `fault` tells. The user's own setting stands.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  grpc_init();
  wire_ = std::make_unique<Wire>(options);
}

Exhook::~Exhook() {
  break_off();
  wire_.reset();
  // The broker may unload what its threads still run otherwise.
  grpc_shutdown_blocking();
  // Of a connection that was replaced gRPC closes the last parts on a thread of its own: the broker's exit would pull the
  // ground from under it (seen as a broker that ends by a signal, once in some forty).
  const auto until = std::chrono::steady_clock::now() + GRPC_END;
  while (grpc_is_initialized() != 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void Exhook::authenticate(const Client& client, const std::string& password, std::function<void(Verdict)> done) {
  auto call = wire_->call<v3::ClientAuthenticateRequest, v3::ValuedResponse>();
  wire_->fill(call->request.mutable_clientinfo(), client);
  call->request.mutable_clientinfo()->set_password(password);
  wire_->start(Method<v3::ClientAuthenticateRequest, v3::ValuedResponse>(&Async::OnClientAuthenticate),
               std::move(call), [done = std::move(done)](const grpc::Status& status, v3::ValuedResponse& answer) {
                 done(verdict_of(status, answer));
               });
}

void Exhook::authorize(const Client& client, Action action, const std::string& topic,
                       std::function<void(Verdict)> done) {
  auto call = wire_->call<v3::ClientAuthorizeRequest, v3::ValuedResponse>();
  wire_->fill(call->request.mutable_clientinfo(), client);
  call->request.set_type(action == Action::publish ? v3::ClientAuthorizeRequest::PUBLISH
                                                   : v3::ClientAuthorizeRequest::SUBSCRIBE);
  call->request.set_topic(topic);
  wire_->start(Method<v3::ClientAuthorizeRequest, v3::ValuedResponse>(&Async::OnClientAuthorize), std::move(call),
               [done = std::move(done)](const grpc::Status& status, v3::ValuedResponse& answer) {
                 done(verdict_of(status, answer));
               });
}

void Exhook::publish(const Message& message, std::function<void(PublishAnswer)> done) {
  auto call = wire_->call<v3::MessagePublishRequest, v3::ValuedResponse>();
  v3::Message& asked = *call->request.mutable_message();
  asked.set_node(wire_->options.node);
  asked.set_id(new_id());
  asked.set_qos(static_cast<std::uint32_t>(message.qos));
  asked.set_from(message.client->id);
  asked.set_topic(message.topic);
  asked.set_payload(message.payload);
  asked.set_timestamp(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count()));
  auto& headers = *asked.mutable_headers();
  if (!message.client->username.empty()) headers["username"] = message.client->username;
  headers["protocol"] = "mqtt";
  headers["peerhost"] = message.client->peerhost;
  wire_->start(Method<v3::MessagePublishRequest, v3::ValuedResponse>(&Async::OnMessagePublish), std::move(call),
               [done = std::move(done)](const grpc::Status& status, v3::ValuedResponse& answer) {
                 done(publish_answer_of(status, answer));
               });
}

void Exhook::connected(const Client& client, std::function<void()> done) {
  auto call = wire_->call<v3::ClientConnectedRequest, v3::EmptySuccess>();
  wire_->fill(call->request.mutable_clientinfo(), client);
  wire_->start(Method<v3::ClientConnectedRequest, v3::EmptySuccess>(&Async::OnClientConnected), std::move(call),
               [done = std::move(done)](const grpc::Status&, v3::EmptySuccess&) { done(); });
}

void Exhook::disconnected(const Client& client, const std::string& reason, std::function<void()> done) {
  auto call = wire_->call<v3::ClientDisconnectedRequest, v3::EmptySuccess>();
  wire_->fill(call->request.mutable_clientinfo(), client);
  call->request.set_reason(reason);
  wire_->start(Method<v3::ClientDisconnectedRequest, v3::EmptySuccess>(&Async::OnClientDisconnected),
               std::move(call), [done = std::move(done)](const grpc::Status&, v3::EmptySuccess&) { done(); });
}

bool Exhook::is_connected() { return wire_->current()->channel->GetState(true) == GRPC_CHANNEL_READY; }

void Exhook::wait_while(bool connected, std::chrono::milliseconds at_most) {
  const auto until = in(at_most);
  // Waiting is also what lets a connection be made: gRPC 1.51 gets no further with one that nobody waits for.
  const auto channel = wire_->current()->channel;
  for (auto state = channel->GetState(true); (state == GRPC_CHANNEL_READY) == connected;
       state = channel->GetState(true)) {
    if (!channel->WaitForStateChange(state, until)) return;
  }
}

std::optional<Hooks> Exhook::load(LoadFailure& failure) {
  v3::ProviderLoadedRequest request;
  wire_->fill(request.mutable_meta());
  request.mutable_broker()->set_version(request.meta().version());
  request.mutable_broker()->set_sysdescr(request.meta().sysdescr());
  request.mutable_broker()->set_uptime(std::chrono::duration_cast<std::chrono::milliseconds>(
                                           std::chrono::steady_clock::now() - wire_->started)
                                           .count());
  request.mutable_broker()->set_datetime(now_as_text());
  v3::LoadedResponse answer;
  Wire::Registered call(*wire_, wire_->current(), LOAD_DEADLINE);
  const grpc::Status status = call.connection().stub->OnProviderLoaded(call.context(), request, &answer);
  if (!status.ok()) {
    failure.reason = status.error_code() == grpc::StatusCode::UNIMPLEMENTED
                         ? "it does not speak emqx.exhook.v3: is it dockhook?"
                         : status.error_message();
    return std::nullopt;
  }
  Hooks hooks;
  for (const auto& hook : answer.hooks()) {
    if (HOOK_POINTS.count(hook.name()) == 0) {
      failure.reason = "it names an unknown hook";
      return std::nullopt;
    }
    if (hook.name() == "client.authenticate") hooks.authenticate = true;
    if (hook.name() == "client.authorize") hooks.authorize = true;
    if (hook.name() == "client.connected") hooks.connected = true;
    if (hook.name() == "client.disconnected") hooks.disconnected = true;
    // Of a name that comes twice EMQX takes the first.
    if (hook.name() != "message.publish" || hooks.publish) continue;
    hooks.publish = true;
    for (const auto& topic : hook.topics()) {
      if (mosquitto_sub_topic_check(topic.c_str()) != MOSQ_ERR_SUCCESS) {
        failure.reason = "it names a topic filter that is none";
        return std::nullopt;
      }
      hooks.topics.push_back(topic);
    }
  }
  return hooks;
}

bool Exhook::probe(std::chrono::milliseconds at_most) {
  return is_answer(wire_->check_health(wire_->current(), at_most));
}

std::string Exhook::fault(std::chrono::milliseconds at_most) {
  const grpc::Status status = wire_->check_health(wire_->current(), at_most);
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ? status.error_message() : "";
}

bool Exhook::renew(const Tls& pem, std::chrono::milliseconds at_most, std::string& refusal) {
  const auto fresh = std::make_shared<Connection>(wire_->options, pem);
  const grpc::Status status = wire_->check_health(fresh, at_most);
  if (!is_answer(status)) {
    refusal = status.error_message();
    return false;
  }
  wire_->replace(fresh);
  return true;
}

void Exhook::free_unused() { wire_->free_retired(); }

void Exhook::break_off() {
  std::unique_lock<std::mutex> lock(wire_->mutex);
  wire_->broken_off = true;
  for (auto* context : wire_->under_way) context->TryCancel();
  wire_->changed.wait(lock, [this] { return wire_->contexts == 0; });
}

void Exhook::unload() {
  const SignalsBlocked blocked;
  v3::ProviderUnloadedRequest request;
  wire_->fill(request.mutable_meta());
  v3::EmptySuccess answer;
  grpc::ClientContext context;
  context.set_deadline(in(UNLOAD_DEADLINE));
  wire_->current()->stub->OnProviderUnloaded(&context, request, &answer);
}

}  // namespace dockhook
