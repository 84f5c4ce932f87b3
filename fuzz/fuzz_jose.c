/* fuzz_jose.c - key sets and tokens over any bytes. The input is a key set, a newline, and a token; a fixed key set is tried too, with
 * which no token but one that was signed with its lost private key can pass. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "platform/identity/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 7515 A.3. */
static const char fixed[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                            "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
static const char known[] = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";

static void try_token(const char *token, const cr_jwks *keys, int must_be_known) {
    json_t *claims = NULL;
    unsigned alg = 0;
    cr_status status = cr_jwt_verify(token, keys, CR_JOSE_ALL_ALGS, &claims, &alg, NULL);
    if ((status == CR_OK) != (claims != NULL) || (status == CR_OK && (!json_is_object(claims) || !alg)))
        abort();
    /* Another signature over the same text may be right (s and -s), never another text. */
    if (status == CR_OK && must_be_known && strncmp(token, known, sizeof known - 1) != 0)
        abort();
    json_decref(claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *line = memchr(data, '\n', size);
    size_t n = line ? (size_t)(line - data) : size;
    char *token = malloc(size - n + 1);
    cr_jwks *keys = NULL, *constant = NULL;
    if (!token)
        return 0;
    memcpy(token, data + n + (line != NULL), size - n - (line != NULL));
    token[size - n - (line != NULL)] = 0;
    if (cr_jwks_parse((const char *)data, n, &keys, NULL) == CR_OK) {
        if (cr_jwks_count(keys) < 0 || cr_jwks_count(keys) > CR_JWKS_KEYS_MAX)
            abort();
        try_token(token, keys, 0);
        cr_jwks_free(keys);
    }
    if (cr_jwks_parse(fixed, sizeof fixed - 1, &constant, NULL) != CR_OK || cr_jwks_count(constant) != 1)
        abort();
    try_token(token, constant, 1);
    cr_jwks_free(constant);
    free(token);
    return 0;
}
