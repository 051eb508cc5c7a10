/** The gRPC channel to the server: how it connects again, and what it trusts. */
#pragma once

#include <grpcpp/channel.h>

#include <memory>

#include "options.h"

namespace dockhook {

/** Does not connect yet. */
std::shared_ptr<grpc::Channel> open_channel(const Options& options);

}  // namespace dockhook
