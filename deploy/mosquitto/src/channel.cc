/** The gRPC channel to the server. */
#include "channel.h"

#include <grpcpp/grpcpp.h>

namespace dockhook {
namespace {

constexpr const char* BROKEN_OFF =
    "it may want TLS (plugin_opt_url https://) and a certificate of its own CA (plugin_opt_tls_cert)";

/** Words of gRPC 1.51 and OpenSSL 3, and what to do about them. */
constexpr struct {
  const char* words;
  const char* advice;
} ADVICE[] = {
    {"certificate verify failed",
     "its certificate has expired, or is not of a CA that is trusted here; plugin_opt_tls_ca names the file"},
    {"is not in peer certificate", "its certificate is for other hosts than that of plugin_opt_url"},
    {"wrong version number", "it does not speak TLS: is plugin_opt_url to begin with http://, or the port another?"},
    // Three words for the same: the other side broke off.
    {"Endpoint read failed", BROKEN_OFF},
    {"Socket closed", BROKEN_OFF},
    {"Connection reset by peer", BROKEN_OFF},
};

/** gRPC puts "failed to connect to all addresses; last error: CODE: ADDRESS: " in front. */
std::string without_preamble(const std::string& fault) {
  const std::string preamble = "last error: ";
  auto start = fault.find(preamble);
  if (start == std::string::npos) return fault;
  start += preamble.size();
  for (int i = 0; i < 2; i += 1) {
    const auto colon = fault.find(": ", start);
    if (colon == std::string::npos) return fault;
    start = colon + 2;
  }
  return fault.substr(start);
}

}  // namespace

std::string explain(const std::string& fault) {
  std::string text = without_preamble(fault);
  for (const auto& [words, advice] : ADVICE) {
    if (text.find(words) != std::string::npos) return text + " (" + advice + ")";
  }
  return text;
}

std::shared_ptr<grpc::Channel> open_channel(const Options& options, const Tls& pem) {
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
  grpc::SslCredentialsOptions credentials;
  credentials.pem_root_certs = pem.ca;
  credentials.pem_private_key = pem.key;
  credentials.pem_cert_chain = pem.cert;
  return grpc::CreateCustomChannel(options.target, grpc::SslCredentials(credentials), arguments);
}

}  // namespace dockhook
