// SHA-256 (FIPS 180-4), by libcrypto.
#pragma once
#include <cstddef>
#include <memory>
#include <string>

struct evp_md_ctx_st;  // libcrypto's EVP_MD_CTX

namespace md {

/// The digest of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  /// The next piece.
  void update(const void* data, std::size_t bytes);
  /// 64 hexadecimal digits; the last call.
  std::string finish();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

}  // namespace md
