/** The gRPC channel to the server: how it connects again, and what it trusts. */
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "options.h"

namespace dockhook {

/** Does not connect yet. @param pem what the files of TLS hold now */
std::shared_ptr<grpc::Channel> open_channel(const Options& options, const Tls& pem);

/** @param fault what gRPC says of a call for which there was no connection @return the same for people */
std::string explain(const std::string& fault);

}  // namespace dockhook
