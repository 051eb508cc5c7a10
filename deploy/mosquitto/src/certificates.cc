/** The PEM files of TLS to the server. */
#include "certificates.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

#include "options.h"

namespace dockhook {
namespace {

std::string contents(const std::string& option, const std::string& file) {
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(stream), {});
  if (!stream || text.empty()) {
    const std::string why = errno == 0 ? "it is empty" : std::strerror(errno);
    throw BadOption(option + " " + file + ": cannot be read by the broker's user (" + why + ")");
  }
  return text;
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate parse_certificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
}

std::string certificate(const std::string& option, const std::string& file) {
  std::string pem = contents(option, file);
  if (!parse_certificate(pem)) throw BadOption(option + " " + file + ": holds no certificate in PEM form");
  return pem;
}

/** gRPC would say nothing of a key that is not the certificate's, and never connect. */
bool belong_together(const std::string& cert, const std::string& key) {
  const Bio bio(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())), BIO_free);
  // The last argument: no passphrase, so that nobody is asked for one.
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>("")), EVP_PKEY_free);
  return pair && X509_check_private_key(parse_certificate(cert).get(), pair.get()) == 1;
}

}  // namespace

Tls read_tls(const Tls& files) {
  Tls pem;
  if (!files.ca.empty()) pem.ca = certificate("plugin_opt_tls_ca", files.ca);
  if (files.cert.empty()) return pem;
  pem.cert = certificate("plugin_opt_tls_cert", files.cert);
  pem.key = contents("plugin_opt_tls_key", files.key);
  if (!belong_together(pem.cert, pem.key)) {
    throw BadOption("plugin_opt_tls_key " + files.key + ": is not the key of plugin_opt_tls_cert " + files.cert +
                    ", in PEM form and without a passphrase");
  }
  return pem;
}

bool has_expired(const std::string& cert) {
  const Certificate parsed = parse_certificate(cert);
  return parsed && X509_cmp_current_time(X509_get0_notAfter(parsed.get())) < 0;
}

}  // namespace dockhook
