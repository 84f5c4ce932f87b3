/* config_rules.c - the rules between the values of settings. */
#include <string.h>
#include "base/text.h"
#include "platform/daemon/config_value.h"
#include "platform/identity/mail_text.h"

bool cr_config_is_loopback(const cr_config *config) {
    return cr_starts_with(config->bind, "127.") || strcmp(config->bind, "::1") == 0;
}

static cr_status check_acme(const cr_config *c, cr_err *err) {
    if (!c->acme[0] && (c->acme_contact[0] || c->acme_hook[0]))
        return CR_FAIL(err, CR_INVALID, "--acme-contact and --acme-hook belong to --acme");
    if (!c->acme[0])
        return CR_OK;
    if (!cr_value_is_url(c->acme) || (c->acme_contact[0] && !cr_value_is_mail(c->acme_contact)))
        return CR_FAIL(err, CR_INVALID, "acme: '%s' is not an https:// address, or the contact is no mail address", c->acme);
    if (c->trusted_proxies[0])
        return CR_FAIL(err, CR_INVALID, "--acme and --behind-proxy exclude each other: where TLS ends, there are the certificates");
    if (!c->as_root)
        return CR_FAIL(err, CR_DENIED, "--acme needs root: whoever asks for certificates has a user id of its own");
    if (strlen(c->domain) > 180)
        return CR_FAIL(err, CR_LIMIT, "domain: too long for names of accounts below it in a certificate");
    if (c->acme_port >= c->port && c->acme_port <= c->port + 2)
        return CR_FAIL(err, CR_INVALID, "acme-port: %d is one of the three ports from %d on", (int)c->acme_port, (int)c->port);
    return CR_OK;
}

static cr_status check_gateway_port(const cr_config *c, cr_err *err) {
    const bool is_acme = c->acme[0] && c->gateway_port == c->acme_port;
    if (c->gateway_port && (is_acme || (c->gateway_port >= c->port && c->gateway_port <= c->port + 2)))
        return CR_FAIL(err, CR_INVALID, "gateway-port: %d is one of the three ports from %d on, or that of acme-port", (int)c->gateway_port, (int)c->port);
    return CR_OK;
}

static cr_status check_smtp(const cr_config *c, cr_err *err) {
    if (!c->smtp[0] && (c->smtp_from[0] || c->smtp_user[0] || c->smtp_ca[0]))
        return CR_FAIL(err, CR_INVALID, "--smtp-from, --smtp-user and --smtp-ca belong to --smtp");
    if (!c->smtp[0])
        return CR_OK;
    if (!cr_mail_server_is_right(c->smtp) || !cr_value_is_words(c->smtp_user) || !cr_value_is_words(c->smtp_secret))
        return CR_FAIL(err, CR_INVALID, "smtp: '%s' is not smtp(s)://HOST:PORT, or name or password are no text", c->smtp);
    if (!c->smtp_from[0] || !cr_value_is_mail(c->smtp_from)) {
        CR_FAIL(err, CR_INVALID, "--smtp needs --smtp-from, the sender");
        cr_err_hint(err, "an address that this server may send from, such as craton@example.org");
        return CR_INVALID;
    }
    return CR_OK;
}

static cr_status check_exposure(const cr_config *c, cr_err *err) {
    if (cr_config_is_loopback(c))
        return CR_OK;
    if (!c->tls_cert[0] && !c->trusted_proxies[0]) {
        CR_FAIL(err, CR_DENIED, "bind address %s is not loopback: passwords would cross the network in the clear", c->bind);
        cr_err_hint(err, "give --tls CERT --tls-key KEY, or --behind-proxy CIDR when a proxy in front does TLS");
        return CR_DENIED;
    }
    if (!c->domain[0]) {
        CR_FAIL(err, CR_INVALID, "bind address %s is not loopback, and there is no --domain", c->bind);
        cr_err_hint(err, "each user needs an origin of their own: point DOMAIN and *.DOMAIN to this machine and give --domain DOMAIN");
        return CR_INVALID;
    }
    if (!c->as_root)
        return CR_FAIL(err, CR_DENIED, "without root there is one account and loopback only; %s is not loopback", c->bind);
    return CR_OK;
}

cr_status cr_config_check(const cr_config *c, cr_err *err) {
    CR_TRY(cr_config_check_shape(c, err));
    if (c->base_url[0] && (!cr_value_is_base(c->base_url) || cr_ends_with(c->base_url, "/")))
        return CR_FAIL(err, CR_INVALID, "base-url: '%s' is not a path such as /craton", c->base_url);
    if (!c->tls_cert[0] != !c->tls_key[0])
        return CR_FAIL(err, CR_INVALID, "--tls and --tls-key go together");
    CR_TRY(check_acme(c, err));
    CR_TRY(check_gateway_port(c, err));
    CR_TRY(check_smtp(c, err));
    if (c->tls_cert[0] && c->trusted_proxies[0])
        return CR_FAIL(err, CR_INVALID, "--tls and --behind-proxy exclude each other");
    if ((c->tls_cert[0] || c->trusted_proxies[0]) && !c->domain[0])
        return CR_FAIL(err, CR_INVALID, "TLS needs --domain, the name in the certificate");
    CR_TRY(check_exposure(c, err));
    if (strlen(c->run_dir) > CR_CONFIG_RUN_DIR_MAX)
        return CR_FAIL(err, CR_LIMIT, "run: %s is longer than %d characters; socket addresses would not fit", c->run_dir, CR_CONFIG_RUN_DIR_MAX);
    const char *const dirs[] = {c->state_dir, c->run_dir, c->prefix};
    for (size_t i = 0; i < CR_ARRAY_LEN(dirs); i++)
        if (dirs[i][0] != '/' || !dirs[i][1])
            return CR_FAIL(err, CR_INVALID, "state, run and prefix must each be a directory below /");
    return CR_OK;
}
