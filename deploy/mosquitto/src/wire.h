/** The gRPC side of `Exhook`: connections to the server, and the calls that are under way on them. */
#pragma once

#include <exhook.grpc.pb.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <mosquitto.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "channel.h"
#include "client.h"
#include "exhook.h"

namespace dockhook {

namespace v3 = emqx::exhook::v3;

using Async = v3::HookProvider::StubInterface::async_interface;
template <typename Request, typename Response>
using Method = void (Async::*)(grpc::ClientContext*, const Request*, Response*, std::function<void(grpc::Status)>);

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

/** One connection, and what speaks over it. */
struct Connection {
  Connection(const Options& options, const Tls& pem)
      : channel(open_channel(options, pem)), stub(v3::HookProvider::NewStub(channel)), anything(channel) {}

  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v3::HookProvider::Stub> stub;
  grpc::GenericStub anything;
};

using ConnectionPtr = std::shared_ptr<Connection>;

struct Exhook::Wire {
  explicit Wire(const Options& given)
      : options(given), connection(std::make_shared<Connection>(options, options.tls_pem)) {}

  const Options options;
  const std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();

  std::mutex mutex;
  std::condition_variable changed;
  /** What new calls begin on. */
  ConnectionPtr connection;
  /** Those before it, with calls that are still under way. */
  std::vector<ConnectionPtr> retired;
  /** To be cancelled when all is broken off. */
  std::unordered_set<grpc::ClientContext*> under_way;
  /** How many are not freed yet. */
  std::size_t contexts = 0;
  bool broken_off = false;

  ConnectionPtr current() {
    const std::lock_guard<std::mutex> lock(mutex);
    return connection;
  }

  /** Not on a thread of gRPC: it may free connections. */
  void replace(ConnectionPtr with) {
    const std::lock_guard<std::mutex> lock(mutex);
    retired.push_back(std::exchange(connection, std::move(with)));
  }

  /** Frees what no call is under way on any more; not on a thread of gRPC. */
  void free_retired() {
    std::vector<ConnectionPtr> unused;
    const std::lock_guard<std::mutex> lock(mutex);
    const auto is_used = [](const ConnectionPtr& one) { return one.use_count() > 1; };
    const auto first = std::partition(retired.begin(), retired.end(), is_used);
    std::move(first, retired.end(), std::back_inserter(unused));
    retired.erase(first, retired.end());
  }

  /** A context that `break_off` reaches, and waits for, while this lives. */
  class Registered {
   public:
    Registered(Wire& wire, ConnectionPtr connection, std::chrono::milliseconds deadline)
        : wire_(wire), connection_(std::move(connection)), context_(std::make_unique<grpc::ClientContext>()) {
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
      // Never the last to hold it: see `retired`.
      connection_.reset();
      wire_.contexts -= 1;
      wire_.changed.notify_all();
    }
    Registered(const Registered&) = delete;
    Registered& operator=(const Registered&) = delete;

    grpc::ClientContext* context() const { return context_.get(); }
    Connection& connection() const { return *connection_; }

   private:
    Wire& wire_;
    ConnectionPtr connection_;
    std::unique_ptr<grpc::ClientContext> context_;
  };

  template <typename Request, typename Response>
  struct Call {
    explicit Call(Wire& wire) : registered(wire, wire.current(), wire.options.call_deadline) {}
    Registered registered;
    Request request;
    Response response;
  };

  template <typename Request, typename Response, typename Done>
  void start(Method<Request, Response> method, std::unique_ptr<Call<Request, Response>> call, Done done) {
    const SignalsBlocked blocked;
    auto* const raw = call.release();
    (raw->registered.connection().stub->async()->*method)(
        raw->registered.context(), &raw->request, &raw->response,
                             [raw, done = std::move(done)](const grpc::Status& status) {
                               const std::unique_ptr<Call<Request, Response>> owned(raw);
                               done(status, raw->response);
                             });
  }

  /** Blocks. The answer itself need not be understood. */
  grpc::Status check_health(const ConnectionPtr& on, std::chrono::milliseconds at_most) {
    Registered call(*this, on, at_most);
    const grpc::Slice nothing;
    const grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> answered;
    on->anything.UnaryCall(call.context(), "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request, &response,
                       [&](grpc::Status status) { answered.set_value(std::move(status)); });
    return answered.get_future().get();
  }

  template <typename Request, typename Response>
  std::unique_ptr<Call<Request, Response>> call() {
    auto made = std::make_unique<Call<Request, Response>>(*this);
    fill(made->request.mutable_meta());
    return made;
  }

  void fill(v3::RequestMeta* meta) const {
    meta->set_node(options.node);
    // Mosquitto 2.0 does not tell its version: that of the headers this was built with.
    meta->set_version(std::to_string(LIBMOSQUITTO_MAJOR) + "." + std::to_string(LIBMOSQUITTO_MINOR) + "." +
                      std::to_string(LIBMOSQUITTO_REVISION));
    meta->set_sysdescr("Mosquitto");
    meta->set_cluster_name("mosquitto");
  }

  /** With the values that EMQX sends the same for every client. */
  void fill(v3::ClientInfo* info, const Client& client) const {
    info->set_node(options.node);
    info->set_clientid(client.id);
    info->set_username(client.username);
    info->set_peerhost(client.peerhost);
    info->set_protocol("mqtt");
    info->set_anonymous(true);
    info->set_cn(client.cn);
    info->set_dn(client.dn);
  }
};

}  // namespace dockhook
