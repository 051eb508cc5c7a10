/**
 * What Mosquitto calls: the functions of its plugin interface (version 5) and the handlers of its events. No exception
 * leaves: the broker is C.
 */
#include "plugin.h"

#include <signal.h>

#include <exception>
#include <memory>
#include <string>

namespace dockhook {
namespace {

/** Runs a handler; what it throws is logged, and `on_fault` is the answer. */
template <typename Event, int (Plugin::*handler)(Event&), int on_fault>
int handle(int, void* event, void* plugin) {
  try {
    return (static_cast<Plugin*>(plugin)->*handler)(*static_cast<Event*>(event));
  } catch (const std::exception& error) {
    log_error(std::string("internal error: ") + error.what());
  } catch (...) {
    log_error("internal error");
  }
  return on_fault;
}

template <int (Plugin::*handler)()>
int handle_plain(int, void*, void* plugin) {
  try {
    return (static_cast<Plugin*>(plugin)->*handler)();
  } catch (const std::exception& error) {
    log_error(std::string("internal error: ") + error.what());
  } catch (...) {
    log_error("internal error");
  }
  return MOSQ_ERR_PLUGIN_DEFER;
}

constexpr struct {
  int event;
  MOSQ_FUNC_generic_callback handler;
} HANDLERS[] = {
    {MOSQ_EVT_RELOAD, handle_plain<&Plugin::on_reload>},
    {MOSQ_EVT_TICK, handle_plain<&Plugin::on_tick>},
    {MOSQ_EVT_BASIC_AUTH, handle<const mosquitto_evt_basic_auth, &Plugin::on_basic_auth, MOSQ_ERR_AUTH>},
    {MOSQ_EVT_DISCONNECT, handle<const mosquitto_evt_disconnect, &Plugin::on_disconnect, MOSQ_ERR_SUCCESS>},
    {MOSQ_EVT_ACL_CHECK, handle<const mosquitto_evt_acl_check, &Plugin::on_acl_check, MOSQ_ERR_ACL_DENIED>},
    {MOSQ_EVT_MESSAGE, handle<mosquitto_evt_message, &Plugin::on_message, MOSQ_ERR_ACL_DENIED>},
};

constexpr MOSQ_FUNC_generic_callback ON_OFFLINE =
    handle<const mosquitto_evt_disconnect, &Plugin::on_disconnect, MOSQ_ERR_SUCCESS>;

}  // namespace

int Plugin::subscribe() {
  for (const auto& [event, handler] : HANDLERS) {
    const int fault = mosquitto_callback_register(identifier_, event, handler, nullptr, this);
    if (fault != MOSQ_ERR_SUCCESS) {
      log_error("the broker takes no handler for its event " + std::to_string(event) +
                ": is there a second plugin line for this file?");
      return fault;
    }
  }
  is_2_1_ = mosquitto_callback_register(identifier_, EVT_CLIENT_OFFLINE, ON_OFFLINE, nullptr, this) == MOSQ_ERR_SUCCESS;
  return MOSQ_ERR_SUCCESS;
}

Plugin::~Plugin() {
  for (const auto& [event, handler] : HANDLERS) mosquitto_callback_unregister(identifier_, event, handler, nullptr);
  if (is_2_1_) mosquitto_callback_unregister(identifier_, EVT_CLIENT_OFFLINE, ON_OFFLINE, nullptr);
}

namespace {

/** Makes a plugin whose threads get none of the broker's signals. */
std::unique_ptr<Plugin> start(mosquitto_plugin_id_t* identifier, const mosquitto_opt* options, int count) {
  const Options read = read_options(options, count);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::unique_ptr<Plugin> plugin;
  try {
    plugin = std::make_unique<Plugin>(identifier, read);
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return plugin;
}

}  // namespace
}  // namespace dockhook

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int mosquitto_plugin_version(int count, const int* versions) {
  for (int i = 0; i < count; i += 1) {
    if (versions[i] == MOSQ_PLUGIN_VERSION) return MOSQ_PLUGIN_VERSION;
  }
  return -1;
}

EXPORT int mosquitto_plugin_init(mosquitto_plugin_id_t* identifier, void** userdata, mosquitto_opt* options,
                                 int option_count) {
  try {
    auto plugin = dockhook::start(identifier, options, option_count);
    const int fault = plugin->subscribe();
    if (fault != MOSQ_ERR_SUCCESS) return fault;
    *userdata = plugin.release();
    return MOSQ_ERR_SUCCESS;
  } catch (const std::exception& error) {
    dockhook::log_error(error.what());
  } catch (...) {
    dockhook::log_error("internal error");
  }
  return MOSQ_ERR_INVAL;
}

EXPORT int mosquitto_plugin_cleanup(void* userdata, mosquitto_opt*, int) {
  try {
    const std::unique_ptr<dockhook::Plugin> plugin(static_cast<dockhook::Plugin*>(userdata));
    if (plugin) plugin->end();
  } catch (...) {
    dockhook::log_error("internal error at the end");
  }
  return MOSQ_ERR_SUCCESS;
}
