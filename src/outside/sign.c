/* The signature of what is posted to a remote service: HMAC-SHA256 (RFC 2104) of "TIMESTAMP.BODY", in hexadecimal. */
#include "outside/parts.h"

#if !EDDA_WITH_OPENSSL

bool sign_is_there(void)
{
    return false;
}

bool sign(struct scratch *scratch, const char *secret, int64_t time_s, struct edda_text body, char ret_hex[65])
{
    (void)scratch, (void)secret, (void)time_s, (void)body, (void)ret_hex;
    return false;
}

#else

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

bool sign_is_there(void)
{
    return true;
}

bool sign(struct scratch *scratch, const char *secret, int64_t time_s, struct edda_text body, char ret_hex[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    struct buffer *signed_text = &scratch->out;
    buffer_clear(signed_text);
    buffer_printf(signed_text, "%lld.", (long long)time_s);
    buffer_append(signed_text, body.data, body.len);
    struct slice text = buffer_slice(signed_text);
    if (!buffer_ok(signed_text) || !HMAC(EVP_sha256(), secret, (int)strlen(secret), text.data, text.len, mac, &len) || len != 32)
        return false;
    for (size_t i = 0; i < 32; i++) {
        ret_hex[2 * i] = digits[mac[i] >> 4];
        ret_hex[2 * i + 1] = digits[mac[i] & 15];
    }
    ret_hex[64] = '\0';
    return true;
}

#endif
