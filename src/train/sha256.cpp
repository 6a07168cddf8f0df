#include "sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "gigatrain/base/error.h"

namespace gigatrain {
namespace {

void require(int ok) {
  if (ok != 1)
    throw Error(ErrorCode::unsupported, "OpenSSL refuses to compute SHA-256",
                "check OpenSSL's configuration (openssl dgst -sha256 must work)");
}

}  // namespace

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  require(context_->evp != nullptr);
  require(EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr));
}
Sha256::~Sha256() = default;

void Sha256::add(const void* data, std::size_t bytes) {
  require(EVP_DigestUpdate(context_->evp, data, bytes));
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  require(EVP_DigestFinal_ex(context_->evp, digest.data(), &size));
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes.data(), bytes.size());
  return hash.hex();
}

}  // namespace gigatrain
