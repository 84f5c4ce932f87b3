"""A realm like EGI Check-in's: voperson_id as subject, entitlements in userinfo and not in the ID token, PKCE demanded."""


def mapper(name, kind, **config):
    where = {"id.token.claim": "true", "access.token.claim": "true", "userinfo.token.claim": "true"}
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": {**where, **{k.replace("_", "."): v for k, v in config.items()}}}


def attribute(source, claim, **more):
    return mapper(claim, "oidc-usermodel-attribute-mapper", **{"user.attribute": source, "claim.name": claim, "jsonType.label": "String", **more})


def scope(name, *mappers):
    return {"name": name, "protocol": "openid-connect", "attributes": {"include.in.token.scope": "true"}, "protocolMappers": list(mappers)}


def user(name, first, last, number, *entitlements):
    return {"username": name, "enabled": True, "email": f"{name}@example.eu", "emailVerified": True, "firstName": first, "lastName": last,
            "attributes": {"voperson_id": [str(number) * 64 + "@egi.eu"], **({"eduperson_entitlement": list(entitlements)} if entitlements else {})},
            "credentials": [{"type": "password", "value": f"{name}-password", "temporary": False}]}


def realm(hub, users):
    edit = '{"view":["admin","user"],"edit":["admin","user"]}'
    profile = ",".join('{"name":"%s","permissions":%s}' % (n, edit) for n in ("username", "email", "firstName", "lastName"))
    return {
        "realm": "egi", "enabled": True, "sslRequired": "none", "users": users,
        "clientScopes": [
            scope("basic", attribute("voperson_id", "sub")),
            scope("profile", attribute("username", "preferred_username"), mapper("name", "oidc-full-name-mapper")),
            scope("email", attribute("email", "email"),
                  mapper("verified", "oidc-usermodel-property-mapper",
                         **{"user.attribute": "emailVerified", "claim.name": "email_verified", "jsonType.label": "boolean"})),
            scope("voperson_id", attribute("voperson_id", "voperson_id")),
            scope("eduperson_entitlement", attribute("eduperson_entitlement", "eduperson_entitlement", multivalued="true", **{"id.token.claim": "false"})),
        ],
        "clients": [{
            "clientId": "craton-hub", "secret": "craton-hub-secret", "enabled": True, "publicClient": False, "standardFlowEnabled": True,
            "redirectUris": [hub + "/hub/signin/egi/callback"], "attributes": {"pkce.code.challenge.method": "S256", "backchannel.logout.url": hub + "/hub/signin/egi/backchannel",
                           "backchannel.logout.session.required": "true", "post.logout.redirect.uris": hub + "/hub/logout"},
            "defaultClientScopes": ["basic"], "optionalClientScopes": ["profile", "email", "voperson_id", "eduperson_entitlement"],
        }],
        "components": {"org.keycloak.userprofile.UserProfileProvider": [{
            "providerId": "declarative-user-profile",
            "config": {"kc.user.profile.config": ['{"unmanagedAttributePolicy":"ENABLED","attributes":[%s]}' % profile]}}]},
    }
