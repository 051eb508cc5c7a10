/** The gRPC channel to the server. */
#include "channel.h"

#include <grpcpp/grpcpp.h>

namespace dockhook {

std::shared_ptr<grpc::Channel> open_channel(const Options& options) {
  grpc::ChannelArguments arguments;
  // "Within a second of the server's return"; the default may wait two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  // How long one attempt may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  // A machine that is gone without a word.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The answer that drops a message carries it back, whatever its size.
  arguments.SetMaxReceiveMessageSize(-1);
  // Passwords go to the server that was named, and nowhere else.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // Two plugins in one broker would share a connection, and one's breaking off would be the other's.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (!options.tls) return grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(), arguments);
  grpc::SslCredentialsOptions pem;
  pem.pem_root_certs = options.tls_ca;
  pem.pem_private_key = options.tls_key;
  pem.pem_cert_chain = options.tls_cert;
  return grpc::CreateCustomChannel(options.target, grpc::SslCredentials(pem), arguments);
}

}  // namespace dockhook
