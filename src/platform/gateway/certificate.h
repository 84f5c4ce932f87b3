/* certificate.h - what a Dask cluster's scheduler, workers and clients show each other: one self-signed certificate, which each of them also
 * takes for the only authority (dask_gateway's way: the client gets certificate and key in the cluster's report).
 *
 * ECDSA on P-256 (FIPS 186-4): made in a fraction of a millisecond. CN dask-internal; SAN the cluster's name and dask-internal. It is
 * good for a year, and so is a cluster.
 */
#ifndef CR_PLATFORM_GATEWAY_CERTIFICATE_H
#define CR_PLATFORM_GATEWAY_CERTIFICATE_H

#include "platform/runner/runner.h"

typedef struct cr_certificate {
    char cert[CR_CLUSTER_CERT_MAX + 1], key[CR_CLUSTER_KEY_MAX + 1];     /* PEM; the key as PKCS 8 */
} cr_certificate;

/* name: hexadecimal digits. */
cr_status cr_certificate_make(const char *name, int64_t wall_ms, cr_certificate *ret_certificate, cr_err *err) CR_MUST_USE;

#endif
