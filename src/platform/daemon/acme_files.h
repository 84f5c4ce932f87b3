/* acme_files.h - the files of acme.h: the account key and what proves it, the pair that is served, and whether it will do. The helper's. */
#ifndef CR_PLATFORM_DAEMON_ACME_FILES_H
#define CR_PLATFORM_DAEMON_ACME_FILES_H

#include "platform/daemon/ground.h"

enum { CR_ACME_NAMES_MAX = 100 /* of one certificate: what public CAs allow */, CR_ACME_NAME_MAX = 253 };
#define CR_ACME_ANSWER "acme-answer"      /* below RUN */

typedef struct cr_acme_names {
    int n;
    bool cut;                 /* there are more than fit */
    char at[CR_ACME_NAMES_MAX][CR_ACME_NAME_MAX + 1];
} cr_acme_names;

/* Directories, account key, answer, and a self-signed pair where there is none. */
cr_status cr_acme_lay(const cr_config *c, const cr_ground *g, cr_err *err) CR_MUST_USE;
/* accounts: what STATE/runner/accounts holds, "" when there is none yet. */
void cr_acme_wanted(const cr_config *c, const char *accounts, cr_acme_names *ret_names);

typedef enum cr_acme_need { CR_ACME_FINE, CR_ACME_NAME, CR_ACME_LATE } cr_acme_need;
/* What is the matter with this certificate (PEM, the first of a chain): CR_ACME_LATE also when it is self-signed or none. */
cr_acme_need cr_acme_look(const char *pem, const cr_acme_names *wanted, int64_t now_s);
/* The pair that uacme left, checked as acme.h says, to where it is served from. */
cr_status cr_acme_take(const cr_config *c, int64_t now_s, cr_err *err) CR_MUST_USE;
cr_status cr_acme_check_pair(const char *cert, const char *key, const char *domain, int64_t now_s, cr_err *err) CR_MUST_USE;
/* RFC 7638 of a P-256 key in PEM, base64url. */
cr_status cr_acme_thumbprint(const char *key, char ret_text[44], cr_err *err) CR_MUST_USE;

#endif
