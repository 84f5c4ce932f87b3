/* entitlement.h - group memberships as research infrastructures write them, and rules over them.
 *
 * AARC-G002 (and G069, which makes the authority optional):
 *   NAMESPACE:group:GROUP[:SUBGROUP ...][:role=ROLE][#AUTHORITY]      with NAMESPACE = urn:NID:...
 *   urn:mace:egi.eu:group:vo.pangeo.eu:role=member#aai.egi.eu
 * Components are percent-encoded. Membership of a subgroup is not taken as membership of what is above it: the provider says so
 * itself where it is meant. A text of another form is a plain group name (Keycloak's `groups`), compared as it is.
 *
 * Text from outside, fuzzed by fuzz/fuzz_claims.c.
 */
#ifndef CR_PLATFORM_IDENTITY_ENTITLEMENT_H
#define CR_PLATFORM_IDENTITY_ENTITLEMENT_H

#include <stdbool.h>
#include "base/error.h"

enum { CR_ENTITLEMENT_MAX = 512, CR_GROUP_NAME_MAX = 255 };

typedef struct cr_entitlement {
    char namespace[128];              /* urn:mace:egi.eu, lower case */
    char path[CR_GROUP_NAME_MAX + 1]; /* vo.pangeo.eu or vo.pangeo.eu:team, decoded */
    char role[64];                    /* "" : none named */
    char authority[128];              /* "" : none named; lower case */
} cr_entitlement;

/* CR_INVALID for a text of another form. */
cr_status cr_entitlement_parse(const char *text, cr_entitlement *ret_e, cr_err *err) CR_MUST_USE;
/* The hub's name of the group: the path; with a role other than "member" also ":role=ROLE". Plain names are copied.
 * false: the text cannot be a group name (empty, too long, control characters). */
bool cr_entitlement_group(const char *text, char out[CR_GROUP_NAME_MAX + 1]);
typedef enum cr_entitlement_fit {
    CR_FIT_NONE,              /* nothing in common */
    CR_FIT_SUBGROUP,          /* the value is of a group below the rule's */
    CR_FIT_ROLE,              /* the same group, another role */
    CR_FIT_AUTHORITY,         /* the same group and role, asserted by somebody else: another instance of the provider */
    CR_FIT_RIGHT
} cr_entitlement_fit;
cr_entitlement_fit cr_entitlement_compare(const char *rule, const char *value);
/* Does a value that the provider sent satisfy the rule? A rule without role takes any role, one without authority any authority. */
bool cr_entitlement_matches(const char *rule, const char *value);

#endif
