/** What the broker knows of a client, in ExHook's words. */
#include "client.h"

#include <openssl/x509.h>

#include "broker.h"

namespace dockhook {
namespace {

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

std::string common_name(X509_NAME* subject) {
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) return "";
  unsigned char* text = nullptr;
  const int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
  if (length < 0) return "";
  std::string name(reinterpret_cast<char*>(text), static_cast<std::size_t>(length));
  OPENSSL_free(text);
  return name;
}

/** As EMQX prints it: `CN=dock-SN0001,OU=Docks,O=Local Test,C=DE`. */
std::string distinguished_name(X509_NAME* subject) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  // Without ASN1_STRFLGS_ESC_MSB letters beyond ASCII stay what they are, in UTF-8.
  if (!out || X509_NAME_print_ex(out.get(), subject, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return "";
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return std::string(text, static_cast<std::size_t>(length));
}

}  // namespace

ClientPtr read_client(const mosquitto* connection) {
  auto client = std::make_shared<Client>();
  client->id = text_of(mosquitto_client_id(connection));
  client->username = text_of(mosquitto_client_username(connection));
  client->peerhost = text_of(mosquitto_client_address(connection));
  // EMQX prints an IPv4 peer of a dual-stack socket as IPv4.
  const std::string mapped = "::ffff:";
  if (client->peerhost.compare(0, mapped.size(), mapped) == 0 && client->peerhost.find('.') != std::string::npos) {
    client->peerhost.erase(0, mapped.size());
  }
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      static_cast<X509*>(mosquitto_client_certificate(connection)), X509_free);
  if (certificate) {
    X509_NAME* subject = X509_get_subject_name(certificate.get());
    client->cn = common_name(subject);
    client->dn = distinguished_name(subject);
  }
  return client;
}

}  // namespace dockhook
