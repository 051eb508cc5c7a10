/** The wire. */
#include "exhook.h"

#include <exhook.grpc.pb.h>
#include <grpc/grpc.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <mosquitto.h>
#include <signal.h>

#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <future>
#include <mutex>
#include <random>
#include <set>
#include <unordered_set>
#include <utility>

#include "channel.h"

namespace dockhook {
namespace {

namespace v3 = emqx::exhook::v3;

using Async = v3::HookProvider::StubInterface::async_interface;
template <typename Request, typename Response>
using Method = void (Async::*)(grpc::ClientContext*, const Request*, Response*, std::function<void(grpc::Status)>);

/** What EMQX can mount; one unknown name and EMQX rejects the whole list. */
const std::set<std::string> HOOK_POINTS = {
    "client.connect",       "client.connack",       "client.connected",    "client.disconnected",
    "client.authenticate",  "client.authorize",     "client.subscribe",    "client.unsubscribe",
    "session.created",      "session.subscribed",   "session.unsubscribed", "session.resumed",
    "session.discarded",    "session.takenover",    "session.terminated",  "message.publish",
    "message.delivered",    "message.acked",        "message.dropped"};

constexpr std::chrono::milliseconds LOAD_DEADLINE{1000};
constexpr std::chrono::milliseconds UNLOAD_DEADLINE{500};

/** gRPC makes threads when it likes: none of them may take the broker's signals. */
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

std::chrono::system_clock::time_point in(std::chrono::milliseconds time) {
  return std::chrono::system_clock::now() + time;
}

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

struct Exhook::Wire {
  explicit Wire(const Options& given)
      : node(given.node),
        call_deadline(given.call_deadline),
        channel(open_channel(given)),
        stub(v3::HookProvider::NewStub(channel)),
        anything(channel) {}

  const std::string node;
  const std::chrono::milliseconds call_deadline;
  const std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v3::HookProvider::Stub> stub;
  grpc::GenericStub anything;

  std::mutex mutex;
  std::condition_variable changed;
  /** To be cancelled when all is broken off. */
  std::unordered_set<grpc::ClientContext*> under_way;
  /** How many are not freed yet. */
  std::size_t contexts = 0;
  bool broken_off = false;

  /** A context that `break_off` reaches, and waits for, while this lives. */
  class Registered {
   public:
    Registered(Wire& wire, std::chrono::milliseconds deadline)
        : wire_(wire), context_(std::make_unique<grpc::ClientContext>()) {
      context_->set_deadline(in(deadline));
      const std::lock_guard<std::mutex> lock(wire_.mutex);
      wire_.contexts += 1;
      wire_.under_way.insert(context_.get());
      if (wire_.broken_off) context_->TryCancel();
    }
    ~Registered() {
      {
        const std::lock_guard<std::mutex> lock(wire_.mutex);
        wire_.under_way.erase(context_.get());
      }
      // It holds the channel. Whoever waits for us then frees the channel, which must not happen on a thread of gRPC:
      // the channel's end waits for those threads.
      context_.reset();
      const std::lock_guard<std::mutex> lock(wire_.mutex);
      wire_.contexts -= 1;
      wire_.changed.notify_all();
    }
    Registered(const Registered&) = delete;
    Registered& operator=(const Registered&) = delete;

    grpc::ClientContext* context() const { return context_.get(); }

   private:
    Wire& wire_;
    std::unique_ptr<grpc::ClientContext> context_;
  };

  template <typename Request, typename Response>
  struct Call {
    explicit Call(Wire& wire, std::chrono::milliseconds deadline) : registered(wire, deadline) {}
    Registered registered;
    Request request;
    Response response;
  };

  template <typename Request, typename Response, typename Done>
  void start(Method<Request, Response> method, std::unique_ptr<Call<Request, Response>> call, Done done) {
    const SignalsBlocked blocked;
    auto* const raw = call.release();
    (stub->async()->*method)(raw->registered.context(), &raw->request, &raw->response,
                             [raw, done = std::move(done)](const grpc::Status& status) {
                               const std::unique_ptr<Call<Request, Response>> owned(raw);
                               done(status, raw->response);
                             });
  }

  /** Blocks. The answer itself need not be understood. */
  grpc::Status check_health(std::chrono::milliseconds at_most) {
    Registered call(*this, at_most);
    const grpc::Slice nothing;
    const grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> answered;
    anything.UnaryCall(call.context(), "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request, &response,
                       [&](grpc::Status status) { answered.set_value(std::move(status)); });
    return answered.get_future().get();
  }

  template <typename Request, typename Response>
  std::unique_ptr<Call<Request, Response>> call() {
    auto made = std::make_unique<Call<Request, Response>>(*this, call_deadline);
    fill(made->request.mutable_meta());
    return made;
  }

  void fill(v3::RequestMeta* meta) const {
    meta->set_node(node);
    // Mosquitto 2.0 does not tell its version: that of the headers this was built with.
    meta->set_version(std::to_string(LIBMOSQUITTO_MAJOR) + "." + std::to_string(LIBMOSQUITTO_MINOR) + "." +
                      std::to_string(LIBMOSQUITTO_REVISION));
    meta->set_sysdescr("Mosquitto");
    meta->set_cluster_name("mosquitto");
  }

  /** With the values that EMQX sends the same for every client. */
  void fill(v3::ClientInfo* info, const Client& client) const {
    info->set_node(node);
    info->set_clientid(client.id);
    info->set_username(client.username);
    info->set_peerhost(client.peerhost);
    info->set_protocol("mqtt");
    info->set_anonymous(true);
    info->set_cn(client.cn);
    info->set_dn(client.dn);
  }
};

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
  asked.set_node(wire_->node);
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

bool Exhook::is_connected() { return wire_->channel->GetState(true) == GRPC_CHANNEL_READY; }

void Exhook::wait_while(bool connected, std::chrono::milliseconds at_most) {
  const auto until = in(at_most);
  // Waiting is also what lets a connection be made: gRPC 1.51 gets no further with one that nobody waits for.
  for (auto state = wire_->channel->GetState(true); (state == GRPC_CHANNEL_READY) == connected;
       state = wire_->channel->GetState(true)) {
    if (!wire_->channel->WaitForStateChange(state, until)) return;
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
  Wire::Registered call(*wire_, LOAD_DEADLINE);
  const grpc::Status status = wire_->stub->OnProviderLoaded(call.context(), request, &answer);
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
  const auto code = wire_->check_health(at_most).error_code();
  return code != grpc::StatusCode::DEADLINE_EXCEEDED && code != grpc::StatusCode::UNAVAILABLE &&
         code != grpc::StatusCode::CANCELLED;
}

std::string Exhook::fault(std::chrono::milliseconds at_most) {
  const grpc::Status status = wire_->check_health(at_most);
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ? status.error_message() : "";
}

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
  wire_->stub->OnProviderUnloaded(&context, request, &answer);
}

}  // namespace dockhook
