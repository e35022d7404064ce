/* scram: the arithmetic of SCRAM (RFC 5802 3, RFC 7677) and base64, over OpenSSL. */
#include "server/users_parts.h"

#ifndef EDDA_WITH_OPENSSL
#define EDDA_WITH_OPENSSL 0
#endif

uint32_t scram_bytes(enum scram_hash hash)
{
    return hash == SCRAM_SHA_512 ? 64 : 32;
}

bool secret_eq(struct slice a, struct slice b)
{
    unsigned differ = a.len != b.len;
    for (size_t i = 0; i < a.len && i < b.len; i++)
        differ |= (unsigned)(a.data[i] ^ b.data[i]);
    return differ == 0;
}

#if !EDDA_WITH_OPENSSL

bool users_supported(void)
{
    return false;
}

bool scram_hmac(enum scram_hash hash, struct slice key, struct slice text, uint8_t ret_mac[SCRAM_KEY_MAX])
{
    (void)hash, (void)key, (void)text, (void)ret_mac;
    return false;
}

bool scram_digest(enum scram_hash hash, struct slice text, uint8_t ret_digest[SCRAM_KEY_MAX])
{
    (void)hash, (void)text, (void)ret_digest;
    return false;
}

bool scram_derive(enum scram_hash hash, struct slice password, struct slice salt, uint32_t iterations, struct scram_key *ret_key)
{
    (void)hash, (void)password, (void)salt, (void)iterations, (void)ret_key;
    return false;
}

void secret_clear(void *data, size_t len)
{
    memset(data, 0, len);
}

#else

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

bool users_supported(void)
{
    return true;
}

static const EVP_MD *digest_of(enum scram_hash hash)
{
    return hash == SCRAM_SHA_512 ? EVP_sha512() : EVP_sha256();
}

bool scram_hmac(enum scram_hash hash, struct slice key, struct slice text, uint8_t ret_mac[SCRAM_KEY_MAX])
{
    unsigned len = 0;
    return HMAC(digest_of(hash), key.data, (int)key.len, text.data, text.len, ret_mac, &len) && len == scram_bytes(hash);
}

bool scram_digest(enum scram_hash hash, struct slice text, uint8_t ret_digest[SCRAM_KEY_MAX])
{
    unsigned len = 0;
    return EVP_Digest(text.data, text.len, ret_digest, &len, digest_of(hash), NULL) && len == scram_bytes(hash);
}

bool scram_derive(enum scram_hash hash, struct slice password, struct slice salt, uint32_t iterations, struct scram_key *ret_key)
{
    uint8_t salted[SCRAM_KEY_MAX], client[SCRAM_KEY_MAX];
    uint32_t len = scram_bytes(hash);
    *ret_key = (struct scram_key){ .iterations = iterations, .salt_bytes = (uint32_t)salt.len };
    memcpy(ret_key->salt, salt.data, salt.len);
    bool ok = PKCS5_PBKDF2_HMAC((const char *)password.data, (int)password.len, salt.data, (int)salt.len, (int)iterations,
                                digest_of(hash), (int)len, salted) == 1;
    ok = ok && scram_hmac(hash, slice_of(salted, len), SLICE("Client Key"), client) &&
         scram_digest(hash, slice_of(client, len), ret_key->stored) &&
         scram_hmac(hash, slice_of(salted, len), SLICE("Server Key"), ret_key->server);
    secret_clear(salted, sizeof salted);
    secret_clear(client, sizeof client);
    return ok;
}

void secret_clear(void *data, size_t len)
{
    OPENSSL_cleanse(data, len);
}

#endif
